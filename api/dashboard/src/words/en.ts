// Every text of the page, in English. The Chinese dictionary must have the same keys.

import { methods } from "./en_methods";

export const en = {
  ...methods,
  language: "English",
  otherLanguage: "中文",
  otherLanguageLabel: "中文: show this page in Chinese",

  spans: {
    seconds: (count: number) => `${count} s`,
    minutes: (count: number) => `${count} min`,
    hours: (count: number) => `${count} h`,
    days: (count: number) => `${count} d`,
  },

  units: {
    count: "", // A count is a bare number, a rate of counts is "/min".
  },

  navigation: {
    label: "Views",
    overview: "Overview",
    alarms: "Alarms",
    forecasts: "Forecasts",
    skip: "Skip to the content",
    chooseSite: "Site",
    elsewhere: (count: number) => `${count} unacknowledged at other sites`,
    toLight: "Switch to light colours",
    toDark: "Switch to dark colours",
    signOut: "Sign out",
  },

  ledger: {
    title: "Ledger of a day",
    explanation:
      "What edges say they took, and what of it is stored, in blocks. A signed statement: groundwatch ledger.",
    day: "Day",
    loading: "Counting…",
    failed: "The ledger can't be read now; it is tried again.",
    isOpen: "The day is not over: this is what is known so far.",
    whole: "All that was taken is stored.",
    notWhole: "Not all that was taken is known to be stored.",
    unheard: (edges: string) => `Not heard since the day ended: ${edges}. More may have been taken.`,
    taken: "Taken",
    stored: "Stored",
    missing: "Missing",
    lost: "Declared lost",
    quarantine: "In quarantine",
    gaps: "Gaps",
    range: (first: number, last: number) => `${first} to ${last}`,
    noReason: "no reason is recorded",
    channels: "Completeness",
    channel: "Channel",
    ofExpected: "Stored of expected",
    good: "Good",
    uncertain: "Uncertain",
    bad: "Bad",
    unread: "Unread",
  },

  signIn: {
    title: "Sign in",
    explanation:
      "Open the sign-in link that Groundwatch printed when it started, or paste an access token.",
    token: "Access token",
    submit: "Sign in",
    stillSignedIn:
      "You are not signed out yet: the centre does not answer, and whoever uses this browser could go on in your name. It is tried again: stay until this message has gone.",
    notEnded:
      "This browser is signed out. The centre could not take that down, so a copy of the session would be good for up to 12 hours.",
    refused: "This was not accepted.",
    unreachable: "The centre does not answer. Is it running, and is the network up?",
    loading: "Loading …",
    failing: "The centre answers, but cannot do its work just now. It is tried again by itself.",
    noSites: "The centre answers, but no site has been taken into operation yet.",
  },

  connection: {
    connecting: "Connecting",
    connected: "Connected",
    reconnecting: (time: string) => `Reconnecting since ${time}`,
    lost: (time: string) =>
      `No connection to the centre since ${time}. What you see is as it was then; trying again.`,
    dataAge: (age: string) => `Data ${age} old`,
    noData: "No data yet",
    demonstration: (rate: string) => `Demonstration · ${rate}× time`,
    demonstrationShort: (rate: string) => `Demo ${rate}×`,
    siteTime: (zone: string) => `Time at the site (${zone})`,
  },

  levels: {
    unknown: "Unknown",
    partlyUnknown: "Partly unknown",
    none: "Normal",
    blue: "Blue",
    yellow: "Yellow",
    orange: "Orange",
    red: "Red",
  },

  kinds: {
    tailings_dam: "Tailings dam",
    slope: "Slope",
    underground: "Underground",
    ventilation: "Ventilation",
  },

  freshness: {
    fresh: "Data current",
    stale: (count: number, of: number) => `${count} of ${of} without a good value`,
    unknown: "No data yet",
    asOf: (time: string) => `As of ${time}`,
    unknownSince: (time: string) => `unknown since ${time}`,
    never: "never measured",
  },

  overview: {
    title: "Structures",
    active: (count: number) => (count === 1 ? "1 active alarm" : `${count} active alarms`),
    unacknowledged: (count: number) => `${count} unacknowledged`,
    technical: (count: number) =>
      count === 1 ? "1 technical fault" : `${count} technical faults`,
    summary: "Active alarms by level",
  },

  alarms: {
    title: "Alarms",
    empty: "No alarms.",
    notShown: (count: number) =>
      `${count} more open alarms were too many to load: what is missing here is less urgent.`,
    loadAgain: "Load again",
    emptyFiltered: "No alarm fits these filters.",
    showAll: "Show all alarms",
    process: "Process",
    technical: "Technical",
    raised: (time: string) => `raised ${time}`,
    ago: (age: string) => `${age} ago`,
    sounded: (sounder: string, time: string) => `${sounder}: sounded locally at ${time}`,
    silentAgain: (sounder: string, time: string) => `${sounder}: silent again at ${time}`,
    levelSince: (level: string, time: string) => `${level.toLowerCase()} since ${time}`,
    acknowledge: "Acknowledge",
    acknowledgeLong: (what: string) => `Acknowledge: ${what}`,
    acknowledgedBy: (person: string, time: string) => `Acknowledged by ${person}, ${time}`,
    returnedAt: (time: string) => `Returned ${time}, unacknowledged`,
    clearedAt: (time: string) => `back to normal ${time}`,
    worst: (level: string) => `worst: ${level}`,
    source: (source: string) => `Source: ${source}`,
    show: "Show",
    dismiss: "Dismiss this message",
    certificateEnds: (date: string) => `ends ${date}`,
    wrongCodes: (count: number, address: string) => `${count} wrong codes, last from ${address}`,
    unread: (reason: string, count: number, all: number) => `${reason}: ${count} of ${all} channels`,
    announce: (level: string, channel: string, structure: string) =>
      `${level} alarm: ${channel}, ${structure}`,
    announceTechnical: (channel: string, structure: string) =>
      `Technical fault: ${channel}, ${structure}`,
    filters: "Filters",
    level: "Level",
    kind: "Kind",
    structure: "Structure",
    state: "State",
    any: "All",
    closedLoading: "Loading closed alarms …",
    closedFailed: "Closed alarms could not be loaded.",
  },

  states: {
    open: "Open",
    unacknowledged: "Unacknowledged",
    acknowledged: "Acknowledged",
    returned_unacknowledged: "Returned, unacknowledged",
    normal: "Closed",
  },

  rules: {
    limit_high: "High limit",
    limit_low: "Low limit",
    rate_high: (window: string) => `Rising fast, over ${window}`,
    rate_low: (window: string) => `Falling fast, over ${window}`,
    ewma_high: "Smoothed mean has risen (EWMA)",
    ewma_low: "Smoothed mean has fallen (EWMA)",
    cusum_high: "Shift upwards (CUSUM)",
    cusum_low: "Shift downwards (CUSUM)",
    page_hinkley_high: "Mean has shifted upwards (Page-Hinkley)",
    page_hinkley_low: "Mean has shifted downwards (Page-Hinkley)",
    state: "State",
    vote: "Vote of several points",
    quality: "Reading is bad",
    unreadable: "Instruments cannot be read",
    silence: "No data",
    clock: "Clock of the edge is implausible",
    declared_lost: "Data declared lost",
    quarantined: "Data put into quarantine",
    content_differs: "One block number, two contents",
    implausible_clock: "Clock of the edge is implausible",
    certificate_ends: "Certificate of the edge ends soon",
    centre_certificate_ends: "Certificate of the centre ends soon",
    authority_certificate_ends: "Certificate of the centre's authority ends soon",
    enrolment_refused: "Wrong enrolment codes are tried out",
    two_boxes: "Two boxes call as one edge",
    sounder_failed: "Sounder does not obey",
  },

  refusals: {
    unknown_source: "event source is not in the site file",
    wrong_kind: "kind of event does not match the site file",
    truncated: "block is cut off",
    oversized: "block is too large",
    decompression_bomb: "block unpacks to too much",
    unknown_version: "block of an unknown version",
    malformed: "block is malformed",
    unknown_group: "scan group is not in the site file",
    unknown_layout: "channels do not match the site file",
    not_storable: "database cannot store it",
    found_again: "block was declared lost and has come after all",
  },

  acknowledge: {
    title: "Acknowledge alarm",
    meaning: "You take responsibility for this alarm. Your name and comment go into the journal.",
    person: "Your name",
    comment: "Comment",
    commentHint: "What you found, what you do",
    submit: "Acknowledge",
    sending: "Asking the centre …",
    cancel: "Cancel",
    unknown: "The centre does not know this alarm.",
    rejected: "Not accepted.",
    undecided: "The centre has not decided. The alarm is as it was; try again.",
    uncertain: "Whether it counted is not known: look at the alarm before you try again.",
  },

  structure: {
    notFound: "There is no such structure.",
    channels: "Channels",
    noInstrument: "Calculated",
    openAlarms: "Other open alarms of this structure",
    serial: (serial: string) => `serial no. ${serial}`,
    station: "Station",
    quantity: "Quantity",
    every: (period: string) => `every ${period}`,
    raw: "Raw value",
    sampled: "Sampled",
    readingQuality: "Quality",
  },

  chart: {
    label: (channel: string) => `Chart of ${channel}`,
    ranges: "Time range",
    hours: (count: number) => `${count} h`,
    days: (count: number) => `${count} d`,
    earlier: "Earlier",
    later: "Later",
    follow: "Live",
    allLimits: "Show all limits",
    loading: "Loading …",
    empty: "No readings in this time range.",
    failed: "The readings could not be loaded.",
    tryAgain: "Try again",
    gap: "no good reading",
    gaps: "Shaded: no good reading",
    zoomHint: "Drag to zoom; double-click to return.",
    limits: "Limits",
    noLimits: "This channel has no limits.",
    deadband: "Deadband",
    warmingUp: "Warming up: it has seen too little to judge",
    confirm: (atLeast: number, ofLast: number) => `${atLeast} of the last ${ofLast} readings`,
    onDelay: "On-delay",
    offDelay: "Off-delay",
  },

  quality: {
    good: "good",
    clock_suspect: "clock suspect",
    conflict: "two values for one instant",
    in_maintenance: "in maintenance",
    no_value: "no value",
    no_reply: "device does not reply",
    device_error: "device reports an error",
    no_connection: "no connection to the device",
    not_finite: "not a number",
    electrical: "open or shorted circuit",
    out_of_range: "out of range",
    conversion_failed: "conversion failed",
    unknown_state: "unknown state",
    stale_input: "input missing or too old",
    no_value_code: "device says that it has no value",
    frozen: "frozen",
    spike: "spike",
    outlier: "outlier",
  },
};

/** The same keys with the same parameters, whatever the language. */
export type SameKeys<T> = {
  [K in keyof T]: T[K] extends string
    ? string
    : T[K] extends (...parameters: infer P) => string
      ? (...parameters: P) => string
      : SameKeys<T[K]>;
};

export type Words = SameKeys<typeof en>;
