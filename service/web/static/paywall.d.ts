/** Types of paywall.js. Times are RFC 3339 strings in UTC, amounts integers in minor units. */

export type Level = "free" | "metered" | "registered" | "subscribers";
export type WallReason =
  | "meter_exhausted"
  | "network_exhausted"
  | "registered_only"
  | "subscribers_only"
  /** In the refusal of a token alone: unlocking may open the article. */
  | "meter_not_asked";
export type Source = "subscription" | "external" | "comp" | "seat" | "institution" | "gift" | "pass" | "crawler";
export type Reason = "free" | "staff" | "registered" | Source | "meter" | WallReason;

export interface Summary {
  id: string;
  slug: string;
  title: string;
  standfirst: string;
  excerpt: string;
  authors: { name: string }[];
  section: string | null;
  tags: string[];
  canonical_url: string | null;
  image: { url: string; alt: string } | null;
  language: string | null;
  dir: "ltr" | "rtl";
  published_at: string | null;
  updated_at: string;
  /** `plans` open an article for subscribers; empty: every plan does. */
  access: { level: Level; metered: boolean; plans: string[] };
}

export interface Teaser extends Summary {
  preview_html: string;
  json_ld: Record<string, unknown>;
  /** Of free articles only. */
  body_html?: string;
}

export interface Meter {
  limit: number;
  used: number;
  remaining: number;
  window_start: string;
  resets_at: string;
}

export interface Offer {
  id: string;
  name: string;
  /** A pass is paid once; `interval` times `interval_count` is how long it opens. A gift is one for somebody else. */
  kind: "subscription" | "pass" | "gift";
  /** "article": a pass for the one article that is named when it is bought. */
  covers: "plan" | "article";
  /** Empty where a single article is sold. */
  plan: string;
  /** How many seats can be bought, each at `amount`; 0: it isn't sold by the seat. */
  most_seats: number;
  amount: number;
  currency: string;
  interval: "day" | "week" | "month" | "year";
  interval_count: number;
  trial_days: number;
  /** What each of the first `intro_periods` costs; null: as much as the others. */
  intro_amount: number | null;
  intro_periods: number;
  /** What a buyer reads, such as "14 days free, then $9.00 a month" or "€2.00 for a day". */
  price_text: string;
}

/** Who a reader is to the newsroom's prompts. */
export type Audience =
  | "anonymous"
  | "registered"
  | "trial_used"
  | "lapsed"
  | "past_due"
  | "subscribed"
  | "seat"
  | "other_access"
  | "institution"
  | "gift";

export interface Wall {
  /** What would open the article: signing in by mail, which registers too, or subscribing. */
  kind: "register" | "subscribe";
  audience: Audience;
  reason: WallReason;
  /** The reason in a sentence for the reader, shown above the title; and, where their subscription has
   * ended or waits for a payment, since when, why, and the way back.
   */
  note: string;
  title: string;
  text: string;
  /** Those that open this article, in every currency. */
  offers: Offer[];
  /** The id of the offer to show first: in the publication's currency, the one that saves most. */
  recommended: string | null;
  /** `update-payment` and `manage` (portal()): a subscription leaves no room for another. `claim`: a reader who
   * subscribes elsewhere, such as in print, says so once they are signed in.
   */
  actions: {
    rel: "sign-in" | "subscribe" | "update-payment" | "manage" | "claim";
    method: string;
    href: string;
  }[];
}

/** Something to say beside an open article: show it, since the service records it as shown. */
export interface Notice {
  key: string;
  /** countdown: of free articles that are left. */
  place: "countdown" | "notice";
  title: string;
  text: string;
  offers: Offer[];
  /** Shown to a device once in this number of days; null: each time. */
  every_days: number | null;
}

export interface Access {
  granted: boolean;
  reason: Reason;
  /** In a sentence for the reader. */
  reason_text: string;
  would_consume: boolean;
  meter: Meter | null;
  wall: Wall | null;
  /** @deprecated Always empty. */
  notices: Notice[];
}

export interface Opened {
  granted: true;
  reason: Reason;
  reason_text: string;
  /** This call used up one of the free articles. */
  consumed: boolean;
  article: Teaser & { body_html: string };
  meter: Meter | null;
  notice: Notice | null;
  /** @deprecated The same as a list of one, or none. */
  notices: Notice[];
  /** A JWT for this article; missing where it wasn't asked for. */
  token?: string;
  token_expires_at?: string;
  device_token?: string;
}

export interface Walled {
  granted: false;
  reason: WallReason;
  reason_text: string;
  wall: Wall;
  meter: Meter | null;
  device_token?: string;
}

/** A link by which a subscriber lets others read one article. */
export interface GiftLink {
  id: string;
  slug: string;
  /** For links to pages of your own: their `gift` parameter. */
  gift: string;
  url: string;
  /** `used_up` opens to those who came before alone. */
  state: "open" | "used_up" | "expired" | "ended";
  /** Distinct devices that have opened the article by it. */
  readers: number;
  most_readers: number;
  created_at: string;
  ends_at: string;
}

export interface GiftMade extends GiftLink {
  /** How many more articles the giver may give this month. */
  left: number;
}

/** The `utm_*` of an address, each of 1 to 100 characters. */
export interface Campaign {
  source?: string;
  medium?: string;
  campaign?: string;
}

export interface Checkout {
  session_id: string;
  url: string;
  expires_at: string;
  /** Proves on return that this frontend began the checkout; keep it until then. */
  claim: string;
}

/** A mail is on its way; its code works with `request_id`, in this browser or app alone. */
export interface SignInRequested {
  request_id: string;
  /** Seconds. */
  expires_in: number;
  device_token?: string;
}

/**
 * By the code that was mailed, or by a link's token. `newsletter` replaces what was answered with the
 * address.
 */
export type Confirmation = ({ requestId: string; code: string } | { token: string }) & {
  newsletter?: boolean;
};

/** A device the reader is signed in on. */
export interface Session {
  id: string;
  label: string;
  kind: "browser" | "app";
  created_at: string;
  used_at: string;
  /** The one that asks. */
  current: boolean;
}

/** What is open to the reader, why, and until when (null: until further notice). */
export interface Grant {
  source: Source;
  scope: string;
  until: string | null;
  grace: boolean;
}

export interface Profile {
  id: string;
  /** A suggestion until it is verified. */
  email: string | null;
  email_verified: boolean;
  created_at: string;
  session_id: string;
  /** The first hundred of `grants()`. */
  grants: Grant[];
  /** The cursor of `grants()` for the others; null: there are none. */
  more_grants: string | null;
  /** Bought, and open as soon as the bank has sent the money, which may take days. */
  processing: { offer: string; name: string; since: string }[];
  /** The one that runs; null: none does. */
  subscription: Subscription | null;
  /** The last that ended, where none runs: why, and the way back. */
  ended_subscription: EndedSubscription | null;
  /** What somebody bought with the reader's address in another browser; the reader may take it over. */
  purchases: { id: string; name: string; bought_at: string }[];
}

/** A subscription that isn't over. `status` in Stripe's word; `cancel_at`: it ends then. */
export interface Subscription {
  id: string;
  plan: string;
  status: string;
  current_period_end: string;
  cancel_at: string | null;
  collection_paused: boolean;
  /** What closes it all the same: dispute, refund, trial_used or duplicate. */
  access_stop: string | null;
  /** What the reader can do so that reading doesn't end at `ends_at` (null: it has ended). */
  payment_problem: { needs: "card" | "authentication"; url: string | null; ends_at: string | null } | null;
  /** What couldn't be collected and is still tried; once it is paid, reading is open until `paid_until`. */
  open_payment: { amount: number; currency: string; is_under_way: boolean; paid_until: string } | null;
  /** What Stripe charges by itself; null: nothing. `amount` in minor units, null: Stripe can't say. */
  next_charge: { at: string; amount: number | null; currency: string } | null;
  words: SubscriptionWords;
}

/** A subscription that is over, where none runs. */
export interface EndedSubscription {
  id: string;
  plan: string;
  ended_at: string | null;
  reason: "voluntary" | "payment_failed" | "dispute_lost" | "refund" | "trial_used" | "duplicate";
  words: SubscriptionWords;
}

/** A subscription's state in words to its reader: what happens and when, or why it ended, and what to do. */
export interface SubscriptionWords {
  status: string;
  next: string;
  advice: string;
}

/** RFC 9457; there are further members beside these, such as `portal`. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  [member: string]: unknown;
}

export interface Options {
  /** Origin of the service; "" (the default) for the page's own. */
  api?: string;
  /** Address of the page, where there is no `location`. */
  page?: string;
  fetch?: typeof globalThis.fetch;
  /** Where tokens are kept, instead of localStorage. */
  storage?: Pick<Storage, "getItem" | "setItem">;
  /** Where the session is kept: by default a cookie on the API's own origin, else tokens. */
  session?: "cookie" | "token";
  /** What the reader agreed to by your banner; `experiments` lets them take part in experiments. */
  consents?: string[];
  /** Instead of `navigator.locks`: lets one tab refresh the session for all. */
  locks?: Pick<LockManager, "request">;
}

export interface PaywallClient {
  teaser(slug: string): Promise<Teaser>;
  access(slug: string, options?: { referrer?: string; campaign?: Campaign; gift?: string }): Promise<Access>;
  unlock(
    slug: string,
    options?: { token?: boolean; referrer?: string; campaign?: Campaign; gift?: string },
  ): Promise<Opened | Walled>;
  /** @deprecated Use the answer's `notice`. */
  notice(notices: Notice[]): Notice | null;
  /** 403 with the problem's `reason` where the article can't be given. */
  give(slug: string): Promise<GiftMade>;
  gifts(cursor?: string): Promise<{ items: GiftLink[]; next_cursor: string | null }>;
  endGift(id: string): Promise<void>;
  checkout(
    offer: string,
    returnTo: string,
    options?: {
      article?: string;
      promotionCode?: string;
      newsletter?: boolean;
      referrer?: string;
      campaign?: Campaign;
      /** Of an offer of kind gift: to whom its link is mailed, and when. */
      gift?: { email?: string; send_at?: string };
      /** Of an offer with `most_seats`: how many readers it is for. */
      seats?: number;
      /** Buy what a comp or a subscription elsewhere opens already, rather than get 409 `has-access`. */
      despiteAccess?: boolean;
    },
  ): Promise<Checkout>;
  complete(sessionId: string, claim?: string): Promise<void>;
  signIn(
    email: string,
    returnTo?: string,
    options?: { newsletter?: boolean },
  ): Promise<SignInRequested>;
  confirm(by: Confirmation): Promise<{ return_to: string }>;
  /** A JWT; status 401 where nobody is signed in. */
  token(): Promise<string>;
  me(): Promise<Profile>;
  /** What is open to the reader, a page at a time: a cursor leads to the next one, null: there is none. */
  grants(cursor?: string): Promise<{ items: Grant[]; next_cursor: string | null }>;
  sessions(): Promise<Session[]>;
  endSession(id: string): Promise<void>;
  signOut(): Promise<void>;
  portal(returnTo: string): Promise<{ url: string }>;
}

export class PaywallError extends Error {
  /** HTTP status; 0 where nothing was answered. */
  readonly status: number;
  readonly problem: Problem | null;
  /** Seconds. */
  readonly retryAfter: number | null;
}

export function Paywall(options?: Options): Readonly<PaywallClient>;
