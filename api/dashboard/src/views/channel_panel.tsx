// Everything about one channel: its value now, its chart, its limits with their sources, its alarms.

import { byUrgency } from "../alarm_list";
import { boundText, instantText, numberText, spanText, unitText, valueText, withUnit } from "../format";
import { LevelShape } from "../icons";
import { COLOURED, type Channel, LEVEL_KEYS, type Limit } from "../model";
import { alarms, latestOfChannel, levelByChannel } from "../store";
import { channelName, inWords, named, qualityName, quantityName, say } from "../words";
import { AlarmRow } from "./alarm_row";
import { ChannelChart } from "./channel_chart";
import { ChannelLevel, doubtOf } from "./marks";
import { TrendList } from "./trend_list";

export function ChannelPanel({ channel }: { channel: Channel }) {
  const own = [...alarms.value.values()]
    .filter((alarm) => alarm.channel === channel.channel)
    .sort(byUrgency);
  return (
    <div class="channel-panel" data-testid="channel-panel" data-channel={channel.channel}>
      <div class="panel">
        <header>
          <h2>{channelName(channel)}</h2>
          <ChannelLevel
            channel={channel}
            level={levelByChannel.value.get(channel.channel) ?? 0}
          />
        </header>
        <Present channel={channel} />
        <ChannelChart channel={channel} />
      </div>
      {own.length > 0 && (
        <ul class="alarm-list compact">
          {own.map((alarm) => (
            <AlarmRow key={alarm.occurrence} alarm={alarm} />
          ))}
        </ul>
      )}
      <Limits channel={channel} />
      <TrendList channel={channel} />
    </div>
  );
}

function Present({ channel }: { channel: Channel }) {
  const words = say().structure;
  const row = latestOfChannel(channel.channel).value;
  const doubt = doubtOf(channel, row);
  const { instrument, station } = channel;
  return (
    <div class="present">
      <p class={`now${doubt ? " doubtful" : ""}`}>
        <b data-testid="panel-value">{doubt ? "—" : valueText(channel, row?.value ?? null)}</b>{" "}
        {unitText(channel.unit)}
        {doubt && <span class="why">{doubt}</span>}
      </p>
      <dl>
        {row?.sampledMs != null && (
          <div>
            <dt>{words.sampled}</dt>
            <dd>{instantText(row.sampledMs)}</dd>
          </div>
        )}
        {row && row.quality !== 0 && (
          <div>
            <dt>{words.readingQuality}</dt>
            <dd>{qualityName(row.qualityReason)}</dd>
          </div>
        )}
        {row?.raw != null && !channel.calculated && (
          <div>
            <dt>{words.raw}</dt>
            <dd>{numberText(row.raw)}</dd>
          </div>
        )}
        <div>
          <dt>{words.quantity}</dt>
          <dd>
            {quantityName(channel)} · {words.every(spanText(channel.periodS))}
          </dd>
        </div>
        <div>
          <dt>{words.station}</dt>
          <dd>
            {[
              named(station),
              instrument && named(instrument),
              instrument?.serial && words.serial(instrument.serial),
            ]
              .filter(Boolean)
              .join(" · ")}
          </dd>
        </div>
      </dl>
    </div>
  );
}

function Limits({ channel }: { channel: Channel }) {
  const words = say();
  const all = [...channel.limits, ...channel.rateLimits, ...channel.charts];
  const warming = latestOfChannel(channel.channel).value?.warmingUp ?? [];
  if (channel.states) return <States channel={channel} />;
  if (all.length === 0) return <p class="empty panel">{words.chart.noLimits}</p>;
  return (
    <div class="panel limits">
      <h3>{words.chart.limits}</h3>
      {all.map((limit) => (
        <LimitTable
          key={limit.rule}
          limit={limit}
          unit={channel.unit}
          isWarming={warming.includes(limit.method ?? (limit.windowS === null ? "" : "rate"))}
        />
      ))}
    </div>
  );
}

interface LimitProps {
  readonly limit: Limit;
  readonly unit: string;
  readonly isWarming: boolean;
}

function LimitTable({ limit, unit: channelUnit, isWarming }: LimitProps) {
  const words = say();
  const isRate = limit.windowS !== null;
  const isChart = limit.method !== null;
  const unit = isChart ? "σ" : isRate ? `${channelUnit}/h` : channelUnit;
  const sign = isChart || limit.direction === "high" ? "≥" : "≤";
  const rules = words.rules;
  const rateRule = limit.direction === "high" ? rules.rate_high : rules.rate_low;
  const title = isRate ? rateRule(spanText(limit.windowS ?? 0)) : plainRule(limit);
  return (
    <div class="limit">
      <h4>{title}</h4>
      {isWarming && <p class="warming">{words.chart.warmingUp}</p>}
      <ul class="bounds">
        {COLOURED.filter((level) => limit.bounds.has(level)).map((level) => (
          <li key={level}>
            <LevelShape level={level} />
            {words.levels[LEVEL_KEYS[level]]} {sign}{" "}
            <b>{withUnit(boundText(limit.bounds.get(level)!), unit)}</b>
          </li>
        ))}
      </ul>
      <p>
        {words.chart.deadband} {withUnit(boundText(limit.deadband), unit)} · {words.chart.onDelay}{" "}
        {spanText(limit.onDelayS)} · {words.chart.offDelay} {spanText(limit.offDelayS)}
      </p>
      {limit.confirm && (
        <p>{words.chart.confirm(limit.confirm.atLeast, limit.confirm.ofLast)}</p>
      )}
      <p>{words.alarms.source(limit.source)}</p>
    </div>
  );
}

/** What a rule other than of a rate is called; a second one of a kind has a number at its end. */
function plainRule(limit: Limit): string {
  const base = limit.rule.replace(/_\d+$/, "");
  const named = (say().rules as Record<string, unknown>)[base];
  return typeof named === "string" ? named : limit.rule;
}

function States({ channel }: { channel: Channel }) {
  const words = say();
  return (
    <div class="panel limits">
      <h3>{words.rules.state}</h3>
      <ul class="bounds">
        {[...(channel.states ?? [])].map(([number, state]) => (
          <li key={number}>
            <LevelShape level={state.level} />
            {number} = {inWords(state.name)}
            {state.level > 0 && <b>{words.levels[LEVEL_KEYS[state.level]]}</b>}
          </li>
        ))}
      </ul>
    </div>
  );
}
