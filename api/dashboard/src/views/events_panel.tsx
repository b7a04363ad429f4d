// What happened in a structure: its events in time and size, the newest in a list, and what the
// detectors of their sources say. Nothing where nobody tells of events.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as api from "../api";
import { EventPlot } from "../chart/event_plot";
import { attributesText, eventRuleText } from "../event_words";
import { type EventPage, type Happening, magnitudeOf } from "../events";
import { instantText, numberText } from "../format";
import { site, siteKey } from "../store";
import { theme } from "../theme";
import { language, named, say, spelled } from "../words";

const AGAIN_MS = 10_000;
const SHOWN = 12;

export function EventsPanel({ structure }: { structure: string }) {
  const page = useSignal<EventPage | null>(null);
  const key = siteKey.value;
  useEffect(() => {
    let isOver = false;
    let again: ReturnType<typeof setTimeout> | undefined;
    const load = async (): Promise<void> => {
      if (key === null) return;
      const found = await api.events(key).catch(() => page.peek());
      if (isOver) return;
      page.value = found;
      // Without a source nothing will come before the page is opened again.
      if (found === null || found.sources.length > 0) again = setTimeout(load, AGAIN_MS);
    };
    void load();
    return () => {
      isOver = true;
      clearTimeout(again);
    };
  }, [key]);

  const words = say().events;
  const sources = (page.value?.sources ?? []).filter((one) => one.structure === structure);
  if (page.value === null || sources.length === 0) return null;
  const keys = new Set(sources.map((one) => one.source));
  const events = page.value.events.filter((one) => keys.has(one.source));
  const answers = page.value.answers.filter((one) => keys.has(one.source));
  return (
    <section class="events panel" aria-labelledby="events-title" data-testid="events">
      <h2 id="events-title">
        {words.title}
        <small>
          {sources.map((one) => named({ id: one.source, name: one.name })).join(", ")}
        </small>
      </h2>
      {events.some((one) => magnitudeOf(one) !== null) && <Plot events={events} />}
      {answers.length > 0 && (
        <ul class="answers">
          {answers.map((one) => (
            <li key={`${one.source}/${one.rule}`} data-answer={one.answer}>
              {eventRuleText(one.rule) ?? spelled(one.rule)}
              <span>
                {one.answer === "judged" && one.figure !== null
                  ? numberText(one.figure, 0.01)
                  : ((words.answers as Record<string, string>)[one.answer] ?? one.answer)}
              </span>
            </li>
          ))}
        </ul>
      )}
      {events.length === 0 ? <p class="empty">{words.none}</p> : <Newest events={events} />}
    </section>
  );
}

function Newest({ events }: { events: readonly Happening[] }) {
  const words = say().events;
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{words.when}</th>
          <th scope="col">{words.kind}</th>
          <th scope="col">{words.magnitude}</th>
          <th scope="col">{words.details}</th>
        </tr>
      </thead>
      <tbody>
        {events.slice(0, SHOWN).map((one) => (
          <tr key={one.event} data-testid="event">
            <td>
              <time>{instantText(one.atMs)}</time>
            </td>
            <td>{words.kinds[one.kind]}</td>
            <td class="number">{numberText(magnitudeOf(one), 0.1)}</td>
            <td>
              {attributesText(one)}
              {one.revision > 0 && <small> {words.corrected}</small>}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Plot({ events }: { events: readonly Happening[] }) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<EventPlot | null>(null);
  const timeZone = site.value?.timeZone ?? "UTC";
  // Colours and words are drawn into the picture: another theme or language is another plot.
  useEffect(() => {
    if (!host.current) return undefined;
    const made = new EventPlot(host.current, timeZone);
    plot.current = made;
    made.draw(events);
    const watcher = new ResizeObserver(() => made.resize());
    watcher.observe(host.current);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [timeZone, theme.value, language.value]);
  useEffect(() => plot.current?.draw(events), [events]);
  return <div ref={host} class="plot" role="img" aria-label={say().events.plot} />;
}
