// The live line: one WebSocket that is opened again whenever it breaks, and resumed where it broke.
//
// The centre sends alarm entries in journal order, each with a cursor. Only an entry moves the
// cursor, and every connection begins with it, so a cut can delay an alarm but never lose one.

import type { Alarm, Change, Cursor, Latest } from "./model";
import { alarmOf, instantMs, latestOf, listOf } from "./reading";

/** The centre says something every 5 s; after this long without a word the line is dead. */
const SILENCE_MS = 16_000;
const NO_WORD = 1006; // As browsers call a line that ended without a word.
const RETRY_FIRST_MS = 500;
const RETRY_LONGEST_MS = 15_000;

export interface AlarmEntry {
  readonly number: number;
  readonly change: Change;
  readonly alarm: Alarm | null; // As it stands now, which may be newer than the entry.
}

export interface LiveListener {
  /** What to subscribe to; asked anew for each connection. */
  subscription(): { readonly site: string; readonly cursor: Cursor | null };
  opened(nowMs: number, rate: number, cursor: Cursor): void;
  alarmed(entry: AlarmEntry, cursor: Cursor): void;
  measured(rows: Latest[]): void;
  ticked(nowMs: number): void;
  /** The line broke, with a code of RFC 6455; resolves to whether trying again makes sense. */
  broke(code: number): Promise<boolean>;
}

/** How long to wait before a try: doubling, and spread so that a fleet does not return at once. */
export function retryDelayMs(tries: number, random: number): number {
  const longest = Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** tries);
  return longest * (0.5 + random / 2);
}

export class LiveLine {
  private socket: WebSocket | null = null;
  private tries = 0;
  private ended = false;
  private retryTimer: number | undefined;
  private silenceTimer: number | undefined;
  private readonly wake = (): void => this.retryNow();

  constructor(private readonly listener: LiveListener) {
    window.addEventListener("online", this.wake);
    document.addEventListener("visibilitychange", this.wake);
    this.connect();
  }

  end(): void {
    this.ended = true;
    window.removeEventListener("online", this.wake);
    document.removeEventListener("visibilitychange", this.wake);
    clearTimeout(this.retryTimer);
    clearTimeout(this.silenceTimer);
    this.socket?.close();
  }

  private connect(): void {
    const address = new URL("/api/v1/live", window.location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    this.socket = socket;
    this.expectWord();
    socket.onopen = () => {
      const { site, cursor } = this.listener.subscription();
      socket.send(JSON.stringify({ subscribe: { site, alarms: true, channels: "all", cursor } }));
    };
    socket.onmessage = (message: MessageEvent<string>) => {
      if (socket !== this.socket) return;
      this.expectWord();
      this.hear(JSON.parse(message.data) as Record<string, unknown>);
    };
    socket.onclose = (event: CloseEvent) => this.lose(socket, event.code);
  }

  private hear(message: Record<string, unknown>): void {
    const cursor = (message.cursor ?? {}) as Cursor;
    switch (message.type) {
      case "hello":
        this.tries = 0;
        this.listener.opened(
          instantMs(message.now_at) ?? Date.now(),
          Number(message.rate ?? 1),
          cursor,
        );
        break;
      case "alarm": {
        const entry = message.entry as { number: number; change: Change };
        const alarm = message.alarm == null ? null : alarmOf(message.alarm);
        this.listener.alarmed({ number: entry.number, change: entry.change, alarm }, cursor);
        break;
      }
      case "values":
        this.listener.measured(listOf(message.values, latestOf));
        break;
      case "clock":
        this.listener.ticked(instantMs(message.now_at) ?? Date.now());
        break;
    }
  }

  private expectWord(): void {
    clearTimeout(this.silenceTimer);
    const socket = this.socket;
    this.silenceTimer = window.setTimeout(() => {
      // A half-open line may take minutes to close by itself.
      socket?.close();
      if (socket) this.lose(socket, NO_WORD);
    }, SILENCE_MS);
  }

  private lose(socket: WebSocket, code: number): void {
    if (socket !== this.socket || this.ended) return;
    this.socket = null;
    this.retryTimer = undefined;
    clearTimeout(this.silenceTimer);
    const delayMs = retryDelayMs(this.tries, Math.random());
    this.tries += 1;
    void this.listener.broke(code).then((again) => {
      if (this.ended || !again) return;
      this.retryTimer = window.setTimeout(() => this.connect(), delayMs);
    });
  }

  /** The network or the person is back: do not sit out a long wait. */
  private retryNow(): void {
    if (this.ended || this.socket || document.visibilityState === "hidden") return;
    if (this.retryTimer === undefined) return;
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    this.connect();
  }
}
