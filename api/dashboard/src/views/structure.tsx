// One structure: its channels by station and instrument, and the chart of the chosen one.

import { useMemo } from "preact/hooks";
import { KindIcon, Picture } from "../icons";
import type { Channel, Instrument, Named } from "../model";
import { OVERVIEW, structureLink } from "../route";
import { byUrgency } from "../alarm_list";
import { keyChannels } from "../key_channels";
import {
  alarmsOf,
  channels,
  channelsOf,
  isLoaded,
  structureOf,
  summaryOf,
  weighed,
} from "../store";
import { inWords, named, say } from "../words";
import { AlarmRow } from "./alarm_row";
import { ChannelPanel } from "./channel_panel";
import { ChannelRow } from "./channel_row";
import { EventsPanel } from "./events_panel";
import { FreshnessLine, StructureLevel } from "./marks";
import { VoteLine, Votes } from "./votes";

export function StructureView({
  structure: key,
  channel,
}: {
  structure: string;
  channel: string | null;
}) {
  const words = say();
  const structure = structureOf(key);
  // Until somebody chooses, the channel that was nearest to trouble when the view was opened.
  const first = useMemo(() => {
    const all = channelsOf(key);
    const kind = structureOf(key)?.kind;
    return (kind && keyChannels(kind, weighed(all), 1)[0]) ?? all[0] ?? null;
  }, [key]);
  if (!structure) {
    return (
      <main id="content">
        {isLoaded.value && <p class="empty panel">{words.structure.notFound}</p>}
      </main>
    );
  }
  const own = channelsOf(key);
  const open = alarmsOf(key).sort(byUrgency);
  const chosen = (channel === null ? undefined : channels.value.get(channel)) ?? first;
  const others = open.filter((alarm) => alarm.channel !== chosen?.channel);
  return (
    <main class="structure" id="content" data-testid="structure-view">
      <header class="structure-head">
        <a class="back" href={OVERVIEW} aria-label={words.navigation.overview}>
          <Picture of="back" />
        </a>
        <KindIcon kind={structure.kind} size={34} />
        <h1>
          <a href={structureLink(key)}>{inWords(structure.name)}</a>
          <small>{words.kinds[structure.kind]}</small>
        </h1>
        <StructureLevel level={summaryOf(open).worst} channels={own} />
        <VoteLine structure={key} />
        <FreshnessLine channels={own} />
      </header>
      <div class="structure-body">
        <section class="channels" aria-label={words.structure.channels}>
          <Votes structure={key} />
          {stationsOf(own).map((station) => (
            <Station key={station.station.id} station={station} chosen={chosen?.channel ?? null} />
          ))}
        </section>
        <section class="detail">
          {chosen && <ChannelPanel key={chosen.channel} channel={chosen} />}
          <EventsPanel structure={key} />
          {others.length > 0 && (
            <section class="others" aria-labelledby="others-title">
              <h2 id="others-title">{words.structure.openAlarms}</h2>
              <ul class="alarm-list compact">
                {others.map((alarm) => (
                  <AlarmRow key={alarm.occurrence} alarm={alarm} />
                ))}
              </ul>
            </section>
          )}
        </section>
      </div>
    </main>
  );
}

interface InstrumentGroup {
  readonly instrument: Instrument | null;
  readonly channels: Channel[];
}

interface StationGroup {
  readonly station: Named;
  readonly instruments: InstrumentGroup[];
}

/** Channels as they hang in the field, in the order of the site file. */
function stationsOf(channels: readonly Channel[]): StationGroup[] {
  const stations = new Map<string, { station: Named; byInstrument: Map<string, InstrumentGroup> }>();
  for (const channel of channels) {
    const { station, instrument } = channel;
    let group = stations.get(station.id);
    if (!group) {
      group = { station, byInstrument: new Map() };
      stations.set(station.id, group);
    }
    const key = instrument?.id ?? "";
    const members = group.byInstrument.get(key) ?? { instrument, channels: [] };
    members.channels.push(channel);
    group.byInstrument.set(key, members);
  }
  return [...stations.values()].map(({ station, byInstrument }) => ({
    station,
    instruments: [...byInstrument.values()],
  }));
}

function Station({ station, chosen }: { station: StationGroup; chosen: string | null }) {
  const words = say().structure;
  return (
    <div class="station panel">
      <h2>{named(station.station)}</h2>
      {station.instruments.map(({ instrument, channels }) => (
        <div class="instrument" key={instrument?.id ?? ""}>
          {(channels.length > 1 || !instrument) && (
            <h3>
              {instrument ? named(instrument) : words.noInstrument}
              {instrument?.serial && <small>{words.serial(instrument.serial)}</small>}
            </h3>
          )}
          <ul>
            {channels.map((channel) => (
              <ChannelRow
                key={channel.channel}
                channel={channel}
                isChosen={channel.channel === chosen}
              />
            ))}
          </ul>
        </div>
      ))}
    </div>
  );
}
