// The language that is spoken, and how things are called in it.

import { computed, effect, signal } from "@preact/signals";
import type { Alarm, Channel, Language, Name, Named } from "./model";
import { en, type Words } from "./words/en";
import { zh } from "./words/zh";

const KEPT_AS = "groundwatch.language";

function firstLanguage(): Language {
  const kept = localStorage.getItem(KEPT_AS);
  if (kept === "en" || kept === "zh") return kept;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export const language = signal<Language>(firstLanguage());
const words = computed<Words>(() => (language.value === "zh" ? zh : en));
export const locale = computed(() => (language.value === "zh" ? "zh-CN" : "en-GB"));

/** The words of the language in force; reading them makes a view follow the language. */
export const say = (): Words => words.value;

export function switchLanguage(): void {
  language.value = language.value === "zh" ? "en" : "zh";
  localStorage.setItem(KEPT_AS, language.value);
}

effect(() => {
  document.documentElement.lang = locale.value;
});

export const inWords = (name: Name): string => name[language.value];

export const named = (one: Named): string => (one.name ? inWords(one.name) : one.id);

/** A key of the site file as people would write it, for what has no name of its own. */
export const spelled = (key: string): string => {
  const text = key.replaceAll(/[_-]+/g, " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
};

export const quantityName = (channel: Channel): string =>
  channel.quantityName ? inWords(channel.quantityName) : spelled(channel.quantity);

export function channelName(channel: Channel): string {
  if (channel.name) return inWords(channel.name);
  const quantity = quantityName(channel);
  return channel.instrument ? `${named(channel.instrument)} · ${quantity}` : quantity;
}

/** What an alarm is about: a channel, or the scan group of a station, or an edge. */
export function alarmName(alarm: Alarm, known: ReadonlyMap<string, Channel>): string {
  const channel = known.get(alarm.channel);
  if (channel) return channelName(channel);
  if (alarm.channelName) return inWords(alarm.channelName);
  for (const one of known.values()) {
    if (one.group === alarm.channel) return `${named(one.station)} · ${alarm.channel}`;
  }
  return alarm.channel;
}

export function qualityName(reason: string): string {
  const known = words.value.quality as Record<string, string>;
  return known[reason.toLowerCase()] ?? spelled(reason);
}
