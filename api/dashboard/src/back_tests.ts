// Back-tests of the site that is shown: asked for, followed while they run, and cancelled.

import { signal } from "@preact/signals";
import * as api from "./api";
import type { BackTest } from "./model";
import { siteKey } from "./store";

const AGAIN_MS = 2_000;

export const backTests = signal<readonly BackTest[] | "loading">("loading");
/** Why the last request of ours was refused. */
export const backTestError = signal<api.ApiError | null>(null);

export const isEnded = (one: BackTest): boolean =>
  one.state !== "queued" && one.state !== "running";

/** Show the site's back-tests, and follow them until told to stop. */
export function followBackTests(): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stopped = false;
  backTests.value = "loading";
  async function look(): Promise<void> {
    await loadBackTests();
    if (!stopped) timer = setTimeout(() => void look(), AGAIN_MS);
  }
  void look();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

async function loadBackTests(): Promise<void> {
  const key = siteKey.peek();
  if (key === null) return;
  try {
    const found = await api.backTests(key);
    if (key === siteKey.peek()) backTests.value = found;
  } catch {
    // The line says that the centre is away; what was known stays.
  }
}

export async function askForBackTest(asked: api.BackTestRequest): Promise<boolean> {
  return tried((key) => api.askForBackTest(key, asked));
}

export async function cancelBackTest(id: number): Promise<boolean> {
  return tried((key) => api.cancelBackTest(key, id));
}

async function tried(request: (key: string) => Promise<void>): Promise<boolean> {
  const key = siteKey.peek();
  if (key === null) return false;
  try {
    await request(key);
    backTestError.value = null;
  } catch (error) {
    backTestError.value = error as api.ApiError;
    return false;
  }
  await loadBackTests();
  return true;
}
