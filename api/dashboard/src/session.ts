// From a code in the address to a live site: signing in, loading, and staying connected.

import { batch, signal } from "@preact/signals";
import * as api from "./api";
import { followClock, readNowMs, setClock } from "./clock";
import { type AlarmEntry, LiveLine, type LiveListener, retryDelayMs } from "./live";
import type { Cursor, Latest } from "./model";
import * as store from "./store";

const SITES_AGAIN_MS = 15_000;
/** The centre closes a line with this when its client should load everything again. */
const BEGIN_ANEW = 1013;
const VOTES_APART_MS = 1_000;
const SITE_KEPT_AS = "groundwatch.site";

/** Why the last attempt to sign in failed. */
export const signInError = signal<api.ApiError | null>(null);

/** What the page waits for while there is nothing to show yet. */
export type Waiting = "loading" | "no_sites" | "unreachable" | "failing";
export const waiting = signal<Waiting>("loading");

let liveLine: LiveLine | null = null;
/** Counts attempts to get at a live site; whatever belongs to an older one comes to nothing. */
let attempt = 0;

/** Take the one-time code out of the address at once, so that it stays in no history. */
export function takeCode(): string | null {
  const code = new URLSearchParams(window.location.hash.slice(1)).get("code");
  if (code !== null) window.history.replaceState(null, "", window.location.pathname);
  return code;
}

export async function begin(code: string | null): Promise<void> {
  if (code !== null && (await trySignIn({ code }))) return;
  await enter();
}

export async function trySignIn(proof: { code: string } | { token: string }): Promise<boolean> {
  attempt += 1; // Whoever signs in does not want to be signed out any more,
  await signOutRequest.catch(() => undefined); // and not by what is still on its way.
  try {
    await api.signIn(proof);
  } catch (error) {
    signInError.value = error as api.ApiError;
    if (signingOut.value === "not_reached") void leave();
    return false;
  }
  signInError.value = null;
  signingOut.value = "done";
  await enter();
  return true;
}

/** What became of signing out, for as long as that is not as it should be. */
export type SigningOut = "done" | "not_reached" | "not_ended";
export const signingOut = signal<SigningOut>("done");

let signOutRequest: Promise<void> = Promise.resolve();

/** Sign out. Only the centre can take the cookie away, so it is asked until it has answered. */
export async function leave(): Promise<void> {
  signedOut();
  const mine = attempt;
  for (let tries = 0; mine === attempt; tries += 1) {
    try {
      signOutRequest = api.signOut();
      await signOutRequest;
      if (mine === attempt) signingOut.value = "done";
      return;
    } catch (error) {
      if (mine !== attempt) return;
      const { code } = error as api.ApiError;
      signingOut.value = code === "session_not_ended" ? "not_ended" : "not_reached";
      if (signingOut.value === "not_ended") return; // The cookie is gone, which named the session.
    }
    await pause(retryDelayMs(tries, Math.random()));
  }
}

function signedOut(): void {
  attempt += 1;
  liveLine?.end();
  liveLine = null;
  batch(() => {
    store.forgetSite();
    store.session.value = "signed_out";
  });
}

/** Load what there is to see; without a session, ask for one; without a centre, keep trying. */
async function enter(): Promise<void> {
  attempt += 1;
  const mine = attempt;
  for (let tries = 0; ; tries += 1) {
    try {
      const [clock, sites] = await Promise.all([api.clock(), api.sites()]);
      if (mine !== attempt) return;
      setClock(clock.nowMs, clock.rate);
      store.sites.value = sites;
      store.session.value = "signed_in";
      const kept = localStorage.getItem(SITE_KEPT_AS);
      const chosen = sites.find((one) => one.site === kept) ?? sites[0];
      if (chosen) {
        await watchSite(chosen.site, mine);
        return;
      }
      waiting.value = "no_sites";
    } catch (error) {
      if (mine !== attempt) return;
      if ((error as api.ApiError).status === 401) {
        signedOut();
        return;
      }
      waiting.value = (error as api.ApiError).status === 0 ? "unreachable" : "failing";
    }
    await pause(retryDelayMs(tries, Math.random()));
    if (mine !== attempt) return;
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function watchSite(site: string, mine: number): Promise<void> {
  liveLine?.end();
  liveLine = null;
  localStorage.setItem(SITE_KEPT_AS, site);
  if (store.siteKey.value !== site) store.forgetSite();
  store.siteKey.value = site;
  const cursor = await loadSite(site, mine);
  if (mine === attempt) liveLine = new LiveLine(listenerFor(site, cursor));
}

async function loadSite(site: string, mine: number): Promise<Cursor> {
  const [channels, latest, votes, open] = await Promise.all([
    api.channels(site),
    api.latest(site),
    api.votes(site),
    api.openAlarms(site),
  ]);
  if (mine === attempt) {
    batch(() => {
      store.takeSite(channels, open.alarms, open.notShown);
      store.takeLatest(latest);
      store.takeVotes(votes);
      waiting.value = "loading"; // Whatever was waited for is here.
    });
  }
  return open.cursor;
}

function listenerFor(site: string, from: Cursor): LiveListener {
  let cursor = from;
  let wasCut = false;
  // What comes after another site was chosen is not its: channels of two sites may be called alike.
  const readLatestAgain = (): void => {
    void api.latest(site).then(
      (taken) => {
        if (store.siteKey.value === site) store.takeLatest(taken);
      },
      () => undefined,
    );
  };
  // Point by point a vote is long, so it is asked for, at most once a second.
  let votesAsked = false;
  const readVotesSoon = async (): Promise<void> => {
    if (votesAsked) return;
    votesAsked = true;
    await pause(VOTES_APART_MS);
    votesAsked = false;
    const taken = await api.votes(site).catch(() => null);
    if (taken !== null && store.siteKey.value === site) store.takeVotes(taken);
  };
  // A centre that was started again may have another site file, with other limits.
  const readChannelsAgain = (): void => {
    void api.channels(site).then(
      (taken) => {
        if (store.siteKey.value === site) store.takeChannels(taken);
      },
      () => undefined,
    );
  };
  // Entries alone tell not of a database that was restored meanwhile, and has grown past our cursor.
  const readAlarmsAgain = async (): Promise<void> => {
    const mine = attempt;
    for (let tries = 0; mine === attempt; tries += 1) {
      const open = await api.openAlarms(site).catch(() => null);
      if (open === null || mine !== attempt) return;
      // A list from before what the line has told by now would bring back what has ended since.
      if (!store.isBehind(open.cursor, cursor, site)) {
        store.takeOpenAlarms(open.alarms, open.notShown, open.cursor[site] ?? 0);
        return;
      }
      await pause(retryDelayMs(tries, Math.random()));
    }
  };
  return {
    subscription: () => ({ site, cursor }),
    opened(nowMs, rate, heard) {
      setClock(nowMs, rate);
      store.line.value = { state: "connected", sinceMs: nowMs };
      store.resumptions.value += 1;
      if (site in heard && store.isBehind(heard, cursor, site)) {
        // A journal that ends before our cursor is not the one we followed. By that cursor, what
        // comes now would be taken for old: begin anew, with another line.
        void enter();
        return;
      }
      if (wasCut) {
        readChannelsAgain();
        void readAlarmsAgain();
      }
      readLatestAgain();
      void readVotesSoon();
    },
    alarmed(entry: AlarmEntry, heard: Cursor) {
      if (entry.number <= (cursor[site] ?? 0)) return;
      cursor = { ...cursor, ...heard, [site]: entry.number };
      store.takeEntry(entry);
    },
    measured(rows: Latest[]) {
      store.takeLatest(rows);
      if (store.hasVotes(rows)) void readVotesSoon();
    },
    ticked: followClock,
    async broke(code) {
      wasCut = true;
      if (store.line.value.state !== "reconnecting") {
        store.line.value = { state: "reconnecting", sinceMs: readNowMs() };
      }
      try {
        const clock = await api.clock();
        setClock(clock.nowMs, clock.rate);
      } catch (error) {
        if ((error as api.ApiError).status === 401) {
          signedOut();
          return false;
        }
      }
      if (code === BEGIN_ANEW) {
        // Perhaps the database was restored: by our cursor, what is new could be taken for old.
        const mine = attempt;
        await pause(retryDelayMs(2, Math.random())); // Not all pages at once.
        if (mine === attempt) void enter();
        return false;
      }
      return true;
    },
  };
}

/** Sites that are not being watched are asked for now and then. */
export function startAskingForSites(): void {
  window.setInterval(() => {
    if (store.session.value !== "signed_in" || store.line.value.state !== "connected") return;
    void api.sites().then(
      (sites) => {
        store.sites.value = sites;
      },
      () => undefined,
    );
  }, SITES_AGAIN_MS);
}

/** Load everything of the site anew. */
export const loadAgain = (): Promise<void> => enter();

/** Watch another site. */
export async function chooseSite(site: string): Promise<void> {
  localStorage.setItem(SITE_KEPT_AS, site);
  await enter();
}
