// Votes: an item's voted level beside its highest single point, which no vote ever hides.

import { LEVEL_KEYS, type Level } from "../model";
import { structureLink } from "../route";
import { channels, votes } from "../store";
import { type Item, type Point, type Vote, worstFirst } from "../votes";
import { channelName, say } from "../words";
import { LevelSign, VotedLevel } from "./marks";

/** Two levels side by side: what is voted, and the highest of any single point. */
export function VoteLine({ structure }: { structure: string }) {
  const vote = votes.value.get(structure);
  if (!vote) return null;
  return (
    <span class="vote-line" data-testid="vote-line" data-structure={structure}>
      <Levels structure={structure} voted={vote.voted} highest={vote.highest} />
    </span>
  );
}

function Levels({
  structure,
  voted,
  highest,
}: {
  structure: string;
  voted: Level | null;
  highest: Level | null;
}) {
  const words = say().votes;
  return (
    <>
      <span class="voted" data-testid="voted-level">
        <small>{words.voted}</small>
        <VotedLevel structure={structure} level={voted} />
      </span>
      <span class="highest" data-testid="highest-level">
        <small>{words.highest}</small>
        <VotedLevel structure={structure} level={highest} />
      </span>
    </>
  );
}

export function Votes({ structure }: { structure: string }) {
  const words = say().votes;
  const vote = votes.value.get(structure);
  if (!vote) return null;
  return (
    <div class="station votes panel" data-testid="votes">
      <h2>{words.title}</h2>
      <ul>
        {vote.items.map((item) => (
          <ItemRow key={item.item} structure={structure} item={item} />
        ))}
      </ul>
      <p class="ladder">{ladderText(vote)}</p>
    </div>
  );
}

function ladderText({ ladder }: Vote): string {
  const words = say();
  const steps = words.votes.ladder(ladder.blueToYellow, ladder.yellowToOrange, ladder.orangeToRed);
  return `${steps} ${words.alarms.source(ladder.source)}`;
}

function ItemRow({ structure, item }: { structure: string; item: Item }) {
  const words = say();
  const channel = channels.value.get(item.item);
  const points = worstFirst(item);
  return (
    <li class="item" data-testid="item" data-item={item.item}>
      <div class="item-head">
        <a class="name" href={structureLink(structure, item.item)}>
          {channel ? channelName(channel) : item.item}
        </a>
        <Levels structure={structure} voted={item.voted} highest={item.highest} />
      </div>
      {item.unknown > 0 && (
        <p class="unknown">{words.votes.unknown(item.unknown, item.points)}</p>
      )}
      {item.confirmed !== null && item.confirmed > 0 && (
        <p>{words.votes.confirmed(words.levels[LEVEL_KEYS[item.confirmed]])}</p>
      )}
      {points.length > 0 && (
        <details>
          <summary>{words.votes.points(points.length, item.points)}</summary>
          <ul>
            {points.map((point) => (
              <PointRow key={point.channel} structure={structure} point={point} />
            ))}
          </ul>
        </details>
      )}
    </li>
  );
}

function PointRow({ structure, point }: { structure: string; point: Point }) {
  const channel = channels.value.get(point.channel);
  return (
    <li class="point" data-testid="point" data-channel={point.channel}>
      <a href={structureLink(structure, point.channel)}>
        <LevelSign level={point.level} />
        <span class="name">{channel ? channelName(channel) : point.channel}</span>
      </a>
      <span class="said">{saidOf(point)}</span>
    </li>
  );
}

function saidOf(point: Point): string {
  const said = [
    point.neighbours && neighboursText(point.neighbours),
    point.doubt && say().votes.doubts[point.doubt],
  ];
  return said.filter(Boolean).join(" · ");
}

/** "confirmed by 2 of 5 nearby", beside what a point or its alarm shows. */
export function neighboursText({ verdict, reachedBy, of }: NonNullable<Point["neighbours"]>) {
  return say().votes.verdicts[verdict](reachedBy, of);
}
