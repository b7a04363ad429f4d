// The alarm list: most urgent first, filtered by level, kind, structure and state.

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { byUrgency, type Filters, isFiltered, NO_FILTERS, passes } from "../alarm_list";
import * as api from "../api";
import { type Alarm, type AlarmKind, COLOURED, type Level, LEVEL_KEYS } from "../model";
import { BACK_TESTS, LEDGER } from "../route";
import { loadAgain } from "../session";
import { alarms, alarmsNotShown, site, siteKey } from "../store";
import { inWords, say } from "../words";
import { AlarmRow } from "./alarm_row";

export const filters = signal<Filters>(NO_FILTERS);

const closed = signal<readonly Alarm[] | "loading" | "failed">("loading");

export function Alarms() {
  const words = say().alarms;
  const chosen = filters.value;
  const showsClosed = chosen.state === "normal";
  useEffect(() => {
    if (showsClosed) void loadClosed();
  }, [showsClosed, alarms.value]);

  const among = showsClosed
    ? Array.isArray(closed.value)
      ? closed.value
      : []
    : [...alarms.value.values()];
  const shown = among.filter((alarm: Alarm) => passes(alarm, chosen)).sort(byUrgency);
  return (
    <main class="alarms" id="content">
      <div class="heading">
        <h1>{words.title}</h1>
        <a href={BACK_TESTS} data-testid="to-back-tests">
          {say().backTests.title}
        </a>
        <a href={LEDGER} data-testid="to-ledger">
          {say().ledger.title}
        </a>
      </div>
      <FilterBar />
      {!showsClosed && <NotShown />}
      {showsClosed && closed.value === "loading" && <p class="empty panel">{words.closedLoading}</p>}
      {showsClosed && closed.value === "failed" && <p class="problem">{words.closedFailed}</p>}
      {shown.length === 0 && !(showsClosed && !Array.isArray(closed.value)) && (
        <p class="empty panel" data-testid="no-alarms">
          {isFiltered(chosen) ? words.emptyFiltered : words.empty}
        </p>
      )}
      <ul class="alarm-list" data-testid="alarm-list">
        {shown.map((alarm) => (
          <AlarmRow key={alarm.occurrence} alarm={alarm} />
        ))}
      </ul>
    </main>
  );
}

/** Says that this is not all; the counts of levels are those of what was loaded. */
export function NotShown() {
  const words = say().alarms;
  if (alarmsNotShown.value === 0) return null;
  return (
    <p class="problem" role="status" data-testid="alarms-not-shown">
      {words.notShown(alarmsNotShown.value)}{" "}
      <button type="button" onClick={() => void loadAgain()}>
        {words.loadAgain}
      </button>
    </p>
  );
}

async function loadClosed(): Promise<void> {
  const key = siteKey.peek();
  if (key === null) return;
  try {
    closed.value = await api.closedAlarms(key);
  } catch {
    closed.value = "failed";
  }
}

function FilterBar() {
  const words = say();
  const chosen = filters.value;
  const change = (part: Partial<Filters>): void => {
    filters.value = { ...chosen, ...part };
  };
  return (
    <form class="filters" role="search" aria-label={words.alarms.filters}>
      <Choice
        label={words.alarms.state}
        value={chosen.state}
        options={[
          ["open", words.states.open],
          ["unacknowledged", words.states.unacknowledged],
          ["returned_unacknowledged", words.states.returned_unacknowledged],
          ["acknowledged", words.states.acknowledged],
          ["normal", words.states.normal],
        ]}
        choose={(value) => change({ state: value as Filters["state"] })}
        testId="filter-state"
      />
      <Choice
        label={words.alarms.level}
        value={chosen.level === null ? "" : String(chosen.level)}
        options={[
          ["", words.alarms.any],
          ...[...COLOURED].reverse().map((level): [string, string] => [
            String(level),
            words.levels[LEVEL_KEYS[level]],
          ]),
        ]}
        choose={(value) => change({ level: value ? (Number(value) as Level) : null })}
        testId="filter-level"
      />
      <Choice
        label={words.alarms.kind}
        value={chosen.kind ?? ""}
        options={[
          ["", words.alarms.any],
          ["process", words.alarms.process],
          ["technical", words.alarms.technical],
        ]}
        choose={(value) => change({ kind: (value || null) as AlarmKind | null })}
        testId="filter-kind"
      />
      <Choice
        label={words.alarms.structure}
        value={chosen.structure ?? ""}
        options={[
          ["", words.alarms.any],
          ...(site.value?.structures ?? []).map((one): [string, string] => [
            one.structure,
            inWords(one.name),
          ]),
        ]}
        choose={(value) => change({ structure: value || null })}
        testId="filter-structure"
      />
      {isFiltered(chosen) && (
        <button type="button" class="quiet" onClick={() => change(NO_FILTERS)}>
          {words.alarms.showAll}
        </button>
      )}
    </form>
  );
}

function Choice({
  label,
  value,
  options,
  choose,
  testId,
}: {
  label: string;
  value: string;
  options: readonly (readonly [string, string])[];
  choose: (value: string) => void;
  testId: string;
}) {
  return (
    <label>
      <span>{label}</span>
      <select
        value={value}
        onChange={(event) => choose(event.currentTarget.value)}
        data-testid={testId}
      >
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
