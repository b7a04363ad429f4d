// The whole site at a glance: a card for each structure, beside what has to be acknowledged.

import { LevelShape, Picture } from "../icons";
import { COLOURED, LEVEL_KEYS } from "../model";
import { ALARMS } from "../route";
import { alarms, site, siteSummary } from "../store";
import { say } from "../words";
import { byUrgency, NO_FILTERS } from "../alarm_list";
import { AlarmRow } from "./alarm_row";
import { StructureCard } from "./structure_card";
import { filters, NotShown } from "./alarms";

/** More than these are for the alarm list. */
const ROWS_MAX = 12;

export function Overview() {
  const words = say();
  const open = [...alarms.value.values()].sort(byUrgency);
  return (
    <main class="overview" id="content">
      <h1 class="unseen">{words.navigation.overview}</h1>
      <section aria-label={words.overview.title}>
        <LevelSummary />
        <div class="cards">
          {site.value?.structures.map((structure) => (
            <StructureCard key={structure.structure} structure={structure} />
          ))}
        </div>
      </section>
      <section class="side" aria-label={words.alarms.title}>
        <h2>
          {words.alarms.title}
          <a href={ALARMS}>{words.alarms.showAll}</a>
        </h2>
        <NotShown />
        {open.length === 0 && <p class="empty panel">{words.alarms.empty}</p>}
        <ul class="alarm-list compact">
          {open.slice(0, ROWS_MAX).map((alarm) => (
            <AlarmRow key={alarm.occurrence} alarm={alarm} />
          ))}
        </ul>
      </section>
    </main>
  );
}

function LevelSummary() {
  const words = say();
  const { byLevel, technical, unacknowledged } = siteSummary.value;
  return (
    <div class="level-summary" role="group" aria-label={words.overview.summary}>
      {[...COLOURED].reverse().map((level) => (
        <a
          key={level}
          href={ALARMS}
          class={`panel level-${level}${byLevel[level] ? " active" : ""}`}
          onClick={() => {
            filters.value = { ...NO_FILTERS, level };
          }}
        >
          <LevelShape level={level} />
          <b>{byLevel[level]}</b>
          <span>{words.levels[LEVEL_KEYS[level]]}</span>
        </a>
      ))}
      <a
        href={ALARMS}
        class={`panel${technical ? " active" : ""}`}
        onClick={() => {
          filters.value = { ...NO_FILTERS, kind: "technical" };
        }}
      >
        <Picture of="wrench" size={15} />
        <b>{technical}</b>
        <span>{words.alarms.technical}</span>
      </a>
      <a
        href={ALARMS}
        class={`panel${unacknowledged ? " active waiting" : ""}`}
        onClick={() => {
          filters.value = { ...NO_FILTERS };
        }}
      >
        <Picture of="bell" size={15} />
        <b>{unacknowledged}</b>
        <span>{words.states.unacknowledged}</span>
      </a>
    </div>
  );
}
