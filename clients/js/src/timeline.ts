/**
 * One time and one numbering of utterances over as many connections as a recognition takes. Every session counts from
 * the first byte that it got and numbers its utterances from 0; what reaches the program counts from the first byte of
 * all. What a session says again, because it got audio again, is left out. Pure.
 */
import type { Alternative, FinalEvent, PartialEvent, ServerMessage, Word } from "./schema.js";

/** Audio kept before the onset of speech (s): more than any pre-roll of use. */
const ONSET_SECONDS = 2;
/** Of two sessions that hear the same utterance, one may begin it so much earlier (s). */
const TOLERANCE_SECONDS = 0.05;

/** What is known of one channel; positions in samples. */
class Channel {
  /** Finals told so far: the number of the next utterance. */
  count = 0;
  /** End of the last final. */
  confirmed = 0;
  /** Where the last event of each type was. */
  readonly marked = new Map<string, number>();
  /** From where the utterance in progress needs its audio; null while none is. */
  open: number | null = null;
  /** `confirmed` and `marked` when the last connection broke: what lies before was told already. */
  resumed: Pick<Channel, "confirmed" | "marked"> = { confirmed: 0, marked: new Map() };
  /** The session's number of each utterance that got its final on this connection. */
  readonly numbers = new Map<number, number>();
}

export class Timeline {
  /** Samples per second of all times. */
  clockRate = 16_000;
  #origin = 0; // where the current session's audio began (samples)
  #flushed = 0; // everything before it has its final
  #channels = new Map<number, Channel>();

  /**
   * A session begins.
   * @param origin where its audio begins (s)
   * @param channels how many it recognises separately; 0: one, whichever
   */
  begin(origin: number, clockRate: number, channels: number): void {
    this.clockRate = clockRate;
    this.#origin = Math.round(origin * clockRate);
    for (let index = 0; this.#channels.size < channels; index += 1) this.#channel(index);
    for (const channel of this.#channels.values()) {
      channel.resumed = { confirmed: channel.confirmed, marked: new Map(channel.marked) };
      channel.open = null;
      channel.numbers.clear();
    }
  }

  /**
   * From where audio is needed to recognise again what has no final (s).
   * @param undecided where an utterance may have begun of which nothing is known yet (s)
   */
  needed(undecided: number): number {
    const from = Math.round(undecided * this.clockRate);
    const needs = [...this.#channels.values()].map(({ open, confirmed }) => Math.max(open ?? from, confirmed));
    return Math.max(needs.length ? Math.min(...needs) : from, this.#flushed) / this.clockRate;
  }

  /** The session's own number of an utterance; undefined if it was another session's. */
  numberOf(channel: number, utterance: number): number | undefined {
    return this.#channels.get(channel)?.numbers.get(utterance);
  }

  /** The message as the program gets it; null for what was told already. */
  place(message: ServerMessage): ServerMessage | null {
    switch (message.type) {
      case "partial":
        return this.#partial(message);
      case "final":
        return this.#final(message);
      case "speech_started": {
        const at = this.#origin + message.at;
        const channel = this.#channel(message.channel);
        channel.open ??= at - ONSET_SECONDS * this.clockRate;
        return at < channel.resumed.confirmed ? null : { ...message, at };
      }
      case "speech_stopped":
      case "endpoint":
      case "lookahead_changed":
      case "audio_issue": {
        const at = this.#origin + message.at;
        const channel = this.#channel(message.channel);
        if (at <= (channel.resumed.marked.get(message.type) ?? -1)) return null;
        channel.marked.set(message.type, at);
        return message.type === "endpoint" ? { ...message, at, utterance: channel.count } : { ...message, at };
      }
      case "flushed": {
        const at = this.#origin + message.at;
        this.#flushed = at;
        for (const channel of this.#channels.values()) channel.open = null;
        return { ...message, at };
      }
      case "closed":
        return { ...message, received: this.#origin + message.received };
      case "corrected":
        return { ...message, utterance: this.#told(message.channel, message.utterance) };
      default:
        return message;
    }
  }

  #partial(message: PartialEvent): PartialEvent | null {
    const channel = this.#channel(message.channel);
    const [start, processed] = [this.#origin + message.start, this.#origin + message.processed];
    channel.open ??= start - ONSET_SECONDS * this.clockRate;
    const before = channel.resumed.confirmed;
    if (processed <= before || start < before - TOLERANCE_SECONDS * this.clockRate) return null;
    return { ...message, utterance: channel.count, words: this.#words(message.words), start, processed };
  }

  #final(message: FinalEvent): FinalEvent | null {
    const channel = this.#channel(message.channel);
    const end = this.#origin + message.end;
    channel.open = null;
    if (end <= channel.resumed.confirmed) return null;
    channel.confirmed = Math.max(channel.confirmed, end);
    const utterance = channel.count;
    channel.count += 1;
    channel.numbers.set(utterance, message.utterance);
    const alternatives = message.alternatives.map(
      (alternative): Alternative => ({ ...alternative, words: this.#words(alternative.words) }),
    );
    const [start, processed] = [this.#origin + message.start, this.#origin + message.processed];
    return { ...message, utterance, alternatives, start, end, processed };
  }

  #words(words: readonly Word[]): Word[] {
    return words.map((word) => ({ ...word, start: this.#origin + word.start, end: this.#origin + word.end }));
  }

  /** What the program knows an utterance of this session as. */
  #told(channel: number, number: number): number {
    for (const [told, own] of this.#channels.get(channel)?.numbers ?? []) if (own === number) return told;
    return number;
  }

  #channel(index: number): Channel {
    let channel = this.#channels.get(index);
    if (!channel) this.#channels.set(index, (channel = new Channel()));
    return channel;
  }
}
