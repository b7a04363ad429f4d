// The ledger of a day: what edges took, what is stored, and how complete each channel is.

import { useSignal } from "@preact/signals";
import * as api from "../api";
import { useReloaded } from "../forecasts";
import { countText } from "../format";
import type { ChannelDay, Gap, Ledger } from "../ledger";
import { channels, siteKey } from "../store";
import { channelName, say } from "../words";

export function LedgerView() {
  const words = say().ledger;
  const site = siteKey.value ?? "";
  const day = useSignal<string | null>(null);
  const asked = day.value;
  const loaded = useReloaded(`${site}/${asked ?? ""}`, () => api.ledger(site, asked));
  const ledger = loaded.value;
  return (
    <main class="ledger" id="content" data-testid="ledger">
      <h1>{words.title}</h1>
      <p class="explanation">{words.explanation}</p>
      <label class="panel">
        <span>{words.day}</span>
        <input
          type="date"
          value={asked ?? ledger?.day ?? ""}
          data-testid="ledger-day"
          onChange={(event) => {
            day.value = event.currentTarget.value || null;
          }}
        />
      </label>
      {loaded.failed && (
        <p class="problem" role="alert">
          {words.failed}
        </p>
      )}
      {ledger === null && !loaded.failed && <p class="empty panel">{words.loading}</p>}
      {ledger !== null && <Counted ledger={ledger} />}
    </main>
  );
}

function Counted({ ledger }: { ledger: Ledger }) {
  const words = say().ledger;
  const figures: [string, string, number][] = [
    ["taken", words.taken, ledger.taken],
    ["stored", words.stored, ledger.stored],
    ["missing", words.missing, ledger.missing],
    ["lost", words.lost, ledger.lost],
    ["quarantine", words.quarantine, ledger.inQuarantine],
  ];
  const verdict = ledger.isOpen ? words.isOpen : ledger.isWhole ? words.whole : words.notWhole;
  return (
    <>
      <dl class="figures panel">
        {figures.map(([key, name, count]) => (
          <div key={key}>
            <dt>{name}</dt>
            <dd data-testid={`ledger-${key}`}>{countText(count)}</dd>
          </div>
        ))}
      </dl>
      <p class="verdict" data-testid="ledger-verdict">
        {verdict}
      </p>
      {ledger.unheard.length > 0 && <p class="verdict">{words.unheard(ledger.unheard.join(", "))}</p>}
      {ledger.gaps.length > 0 && <Gaps gaps={ledger.gaps} />}
      <Completeness channels={ledger.channels} />
    </>
  );
}

function Gaps({ gaps }: { gaps: readonly Gap[] }) {
  const words = say().ledger;
  return (
    <section class="panel" data-testid="ledger-gaps">
      <h2>{words.gaps}</h2>
      <ul>
        {gaps.map((one) => (
          <li key={`${one.stream}/${one.first}`}>
            {one.edge}: {words.range(one.first, one.last)}, {one.isLost ? words.lost : words.missing}
            {one.isLost && ` (${one.reason || words.noReason})`}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Completeness({ channels: days }: { channels: readonly ChannelDay[] }) {
  const words = say().ledger;
  return (
    <section class="panel">
      <h2>{words.channels}</h2>
      <table data-testid="ledger-channels">
        <thead>
          <tr>
            <th>{words.channel}</th>
            <th>{words.ofExpected}</th>
            <th>{words.good}</th>
            <th>{words.uncertain}</th>
            <th>{words.bad}</th>
            <th>{words.unread}</th>
          </tr>
        </thead>
        <tbody>
          {days.map((one) => (
            <Row key={one.channel} day={one} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Row({ day }: { day: ChannelDay }) {
  const known = channels.value.get(day.channel);
  const stored = day.good + day.uncertain + day.bad + day.unread;
  const expected = day.expected === null ? "" : ` / ${countText(day.expected)}`;
  return (
    <tr>
      <th scope="row">{known ? channelName(known) : day.channel}</th>
      <td>
        {countText(stored)}
        {expected}
      </td>
      {[day.good, day.uncertain, day.bad, day.unread].map((count, place) => (
        <td key={place}>{countText(count)}</td>
      ))}
    </tr>
  );
}
