// Requests to the API. Every refusal becomes an ApiError whose message is the server's sentence.

import type { Forecast, ForecastDetail } from "./forecasts";
import type { Alarm, BackTest, Channel, History, Latest, Site, Trend } from "./model";
import { type EventPage, eventPageOf } from "./events";
import {
  type AlarmPage,
  alarmOf,
  alarmsOf,
  backTestOf,
  channelOf,
  historyOf,
  instantMs,
  latestOf,
  listOf,
  siteOf,
  trendOf,
} from "./reading";
import { forecastDetailOf, forecastOf } from "./reading_forecasts";
import { type Ledger, ledgerOf } from "./ledger";
import { type Vote, voteOf } from "./votes";

const ROOT = "/api/v1";
const TIMEOUT_MS = 15_000;

export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: no answer at all.
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

async function ask(path: string, options: RequestInit = {}): Promise<unknown> {
  let answer: Response;
  try {
    answer = await fetch(ROOT + path, {
      credentials: "same-origin",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...options,
    });
  } catch {
    throw new ApiError(0, "unreachable", "");
  }
  const body: unknown = await answer.json().catch(() => null);
  if (answer.ok) return body;
  const error = (body as { error?: { code?: string; message?: string } } | null)?.error;
  throw new ApiError(answer.status, error?.code ?? "unknown", error?.message ?? "");
}

function send(path: string, body: unknown): Promise<unknown> {
  return ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}

const at = (site: string): string => `/sites/${encodeURIComponent(site)}`;

/** Exchange a one-time code or a token for a session cookie, which scripts cannot read. */
export async function signIn(proof: { code: string } | { token: string }): Promise<void> {
  await send("/session", proof);
}

export async function signOut(): Promise<void> {
  await ask("/session", { method: "DELETE" });
}

export interface ClockReading {
  readonly nowMs: number;
  readonly rate: number;
}

export async function clock(): Promise<ClockReading> {
  const json = (await ask("/clock")) as { now_at: string; rate: number };
  return { nowMs: instantMs(json.now_at) ?? Date.now(), rate: json.rate };
}

export async function sites(): Promise<Site[]> {
  return listOf(await ask("/sites"), siteOf);
}

export async function channels(site: string): Promise<Channel[]> {
  return listOf(await ask(`${at(site)}/channels`), channelOf);
}

export async function latest(site: string): Promise<Latest[]> {
  return listOf(await ask(`${at(site)}/latest`), latestOf);
}

export async function votes(site: string): Promise<Vote[]> {
  return listOf(await ask(`${at(site)}/items`), voteOf);
}

/** The open alarms, the most urgent first; a flood may hold more of them than are sent. */
export async function openAlarms(site: string): Promise<AlarmPage> {
  return alarmsOf(await ask(`${at(site)}/alarms?open=true&limit=1000`));
}

export async function closedAlarms(site: string): Promise<Alarm[]> {
  return alarmsOf(await ask(`${at(site)}/alarms?state=normal&open=false&limit=200`)).alarms;
}

export async function forecasts(site: string): Promise<Forecast[]> {
  return listOf(await ask(`${at(site)}/forecasts`), forecastOf);
}

export async function forecastDetail(site: string, channel: string): Promise<ForecastDetail> {
  return forecastDetailOf(await ask(`${at(site)}/forecasts/${encodeURIComponent(channel)}`));
}

export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

export async function history(
  site: string,
  channel: string,
  stretch: Stretch,
  points: number,
): Promise<History> {
  const query = new URLSearchParams({
    from: new Date(stretch.fromMs).toISOString(),
    to: new Date(stretch.toMs).toISOString(),
    points: String(Math.max(2, Math.min(5000, Math.round(points)))),
  });
  const path = `${at(site)}/channels/${encodeURIComponent(channel)}/history?${query}`;
  return historyOf(await ask(path));
}

/** What the slow rules of a channel say now. */
export async function trends(site: string, channel: string): Promise<Trend[]> {
  const query = new URLSearchParams({ channel });
  const json = (await ask(`${at(site)}/trends?${query}`)) as { trends?: unknown };
  return listOf(json.trends, trendOf);
}

/** The newest events of the last week, and who tells of them. */
export async function events(site: string): Promise<EventPage> {
  return eventPageOf(await ask(`${at(site)}/events?limit=500`));
}

export interface Acknowledgement {
  readonly occurrence: string;
  readonly person: string;
  readonly comment: string;
  readonly number: number; // Of the newest entry that the person has seen.
}

/** What is certain about an acknowledgement that was not answered with the alarm. */
export type Unanswered = "unknown" | "rejected" | "undecided" | "uncertain";

/** Only the centre's own word says that nothing was acknowledged; a cut may have come after it. */
export function unansweredOf(error: ApiError): Unanswered {
  if (error.code === "undecided") return "undecided";
  if (error.status === 0 || error.status >= 500) return "uncertain";
  return error.status === 404 ? "unknown" : "rejected";
}

export async function acknowledge(site: string, asked: Acknowledgement): Promise<Alarm> {
  return alarmOf(await send(`${at(site)}/acknowledgements`, asked));
}

export interface BackTestRequest {
  readonly from: string;
  readonly to: string;
  readonly site_file?: string;
  readonly against?: string;
  readonly events?: string;
}

/** A day of a site, in its time zone; null: today. */
export async function ledger(site: string, day: string | null): Promise<Ledger> {
  const query = day === null ? "" : `?day=${encodeURIComponent(day)}`;
  return ledgerOf(await ask(`${at(site)}/ledger${query}`));
}

export async function backTests(site: string): Promise<BackTest[]> {
  return listOf(await ask(`${at(site)}/backtests`), backTestOf);
}

export async function askForBackTest(site: string, asked: BackTestRequest): Promise<void> {
  await send(`${at(site)}/backtests`, asked);
}

export async function cancelBackTest(site: string, id: number): Promise<void> {
  await ask(`${at(site)}/backtests/${id}`, { method: "DELETE" });
}
