/**
 * Generated from protos/wavelane/v1/stream.schema.json by `npm run types`; not to be edited.
 * All times are integers in samples at `clock_rate` since the first sample of the audio.
 */

export type Message = ClientMessage | ServerMessage;
/**
 * Text from the client. Audio is binary.
 */
export type ClientMessage = Configure | Reconfigure | Flush | End | KeepAlive | Correct;
/**
 * Text from the server.
 */
export type ServerMessage =
  | ReadyEvent
  | ConfiguredEvent
  | CorrectedEvent
  | SpeechStartedEvent
  | SpeechStoppedEvent
  | PartialEvent
  | EndpointEvent
  | FinalEvent
  | LookaheadChangedEvent
  | AudioIssueEvent
  | FlushedEvent
  | FailureEvent
  | ClosedEvent;
/**
 * Stable, machine-readable reasons. Never renamed; documented in `server/README.md`.
 */
export type ErrorCode =
  | "invalid_message"
  | "invalid_config"
  | "invalid_audio"
  | "message_too_big"
  | "overloaded"
  | "backlog_exceeded"
  | "idle_timeout"
  | "slow_client"
  | "shutting_down"
  | "model_not_found"
  | "model_unsupported"
  | "profile_not_found"
  | "deadline_exceeded"
  | "cancelled"
  | "unavailable"
  | "unauthenticated"
  | "internal";

export interface Configure {
  type: "configure";
  /**
   * Sample format of raw audio (little-endian), or `container`: WAV, FLAC, Ogg/WebM Opus, MP3, found by content.
   */
  encoding?: "linear16" | "float32" | "mulaw" | "alaw" | "container";
  /**
   * Samples per second of raw audio (Hz); a container says its own.
   */
  sample_rate?: number;
  /**
   * Interleaved channels of raw audio; a container says its own.
   */
  channels?: number;
  /**
   * One channel by index, the mean of all, or each recognised on its own.
   */
  channel?: number | ("mix" | "separate");
  /**
   * Name of the model expected; refused when the server serves another.
   */
  model?: string | null;
  /**
   * Language code, or `auto` for models that find it themselves. null: the model's default.
   */
  language?: string | null;
  /**
   * Future encoder frames (80 ms each) awaited before one is recognised; one of the model's. `auto`: the shortest
   * of lookahead_min to lookahead_max that the server's load allows at the moment. null: the model's default.
   */
  lookahead?: number | "auto" | null;
  /**
   * With lookahead auto: the shortest that the server may choose, one of the model's. null: the model's default.
   */
  lookahead_min?: number | null;
  /**
   * With lookahead auto: the longest that the server may choose, one of the model's. null: the model's longest.
   */
  lookahead_max?: number | null;
  /**
   * Send hypotheses of the utterance in progress.
   */
  partials?: boolean;
  /**
   * Send words with times and confidences in partials and finals.
   */
  words?: boolean;
  /**
   * Hypotheses per final, at most; more than one needs `decoding.method` beam.
   */
  alternatives?: number;
  /**
   * Language model by name, one of those that the server has, or `off`. null: the model's default.
   */
  lm?: string | null;
  /**
   * Scale of the language model's scores. null: the one that suits it.
   */
  lm_weight?: number | null;
  /**
   * Phrases to favour: names, places, products. At most as many as the server allows (setting lm.max_hotwords).
   */
  hotwords?: (string | Hotword)[];
  /**
   * What may be said, and what it means: a grammar in JSGF (text that begins with `#JSGF`), or the name of one that
   * the server has. Finals then have an `intent`.
   */
  grammar?: string | null;
  /**
   * Key of a user's profile that the server keeps: its hotwords and replacements are added to the session's, and
   * corrections are stored with it.
   */
  profile?: string | null;
  decoding?: DecodingOptions;
  audio?: AudioOptions;
  vad?: VadOptions;
  endpoint?: EndpointOptions;
  text?: TextOptions;
}
/**
 * A phrase that is expected, and by how much it is favoured.
 */
export interface Hotword {
  /**
   * One or more words, written as the model writes them; capitals do not matter to a model without them.
   */
  phrase: string;
  /**
   * What each of its pieces earns (natural logarithm). 2 finds more, and hears it where it was not said too.
   */
  boost?: number;
}
/**
 * How the best words are searched for.
 */
export interface DecodingOptions {
  /**
   * `greedy` follows the best piece of each moment; `beam` keeps the best few beginnings of the utterance, which
   * finds better words with a language model and has alternatives.
   */
  method?: "greedy" | "beam";
  /**
   * Beginnings that a beam keeps, at most as many as the server allows (setting engine.max_beam). null: 8.
   */
  beam?: number | null;
}
/**
 * What is done to the audio before it is recognised. What is off costs nothing.
 */
export interface AudioOptions {
  /**
   * `auto`: speech that is very quiet is amplified, speech that is very loud is attenuated, after a second of
   * speech, without delay and without clipping; what lies between is left as it is, bit for bit.
   */
  gain?: "off" | "auto";
  /**
   * Take out a constant offset above 0.5 % of full scale, as cheap sound cards add.
   */
  remove_dc?: boolean;
  /**
   * WebRTC's noise suppressor, weakest to strongest (extra `noise`), 6 ms of delay. For models that do not know
   * noise; it costs words where the model does.
   */
  noise_suppression?: "off" | "low" | "moderate" | "high" | "very_high";
  /**
   * Tell the client when its audio is clipped, silent as with a muted microphone, or too quiet (`audio_issue`).
   */
  report?: boolean;
  /**
   * Silence that the encoder hears before a stream of audio (ms): a model hears a word better that is not its first
   * frame. 0: none, as in the reference implementations.
   */
  lead_ms?: number;
  /**
   * Silence that the encoder hears where the audio ends, at the end and at a flush (ms); nothing waits for it, and a
   * word at the very end is not lost. 0: none, as in the reference implementations.
   */
  tail_ms?: number;
}
/**
 * How speech is told from silence.
 */
export interface VadOptions {
  /**
   * Detector; `silero` needs the extra `silero` on the server; `off` feeds everything to the encoder and takes
   * silence from the decoder.
   */
  kind?: "webrtc" | "silero" | "off";
  /**
   * Aggressiveness of the webrtc detector: 3 takes the least for speech.
   */
  mode?: number;
  /**
   * Speech probability at which the silero detector hears speech.
   */
  threshold?: number;
  /**
   * Speech shorter than this does not open the gate (ms).
   */
  min_speech_ms?: number;
  /**
   * Silence shorter than this does not count as a pause (ms).
   */
  min_silence_ms?: number;
  /**
   * Audio before the onset that is recognised too (ms).
   */
  pre_roll_ms?: number;
}
/**
 * When an utterance ends by itself.
 */
export interface EndpointOptions {
  /**
   * Silence after text that ends the utterance (ms).
   */
  silence_ms?: number;
  /**
   * Silence without any text that ends the utterance with an empty final (ms).
   */
  no_text_ms?: number;
  /**
   * Longest utterance; a longer one is cut at the next word (ms).
   */
  max_utterance_ms?: number;
  /**
   * False: only flush, end and the longest utterance close an utterance.
   */
  enabled?: boolean;
}
/**
 * How text is written. Without any of it, finals hold the words as the model writes them.
 */
export interface TextOptions {
  /**
   * Write numbers, money, times, dates, measures, telephone numbers, addresses and spelled letters as figures and
   * signs (inverse text normalisation): `twenty five dollars` is `$25`. English.
   */
  itn?: boolean;
  /**
   * Set commas, full stops and question marks, unless the model writes its own. English.
   */
  punctuation?: boolean;
  /**
   * Begin sentences and names with a capital, unless the model writes its own. English.
   */
  capitals?: boolean;
  /**
   * `mask`: swear words show their first letter and asterisks. English.
   */
  profanity?: "keep" | "mask";
  /**
   * False: leave out fillers (um, uh) and words that are stammered twice. English.
   */
  verbatim?: boolean;
  /**
   * What is written for a phrase that is heard, as `{"wave lane": "Wavelane"}`; whole words, whatever their
   * capitals; nothing for an empty one. At most 1,000 phrases of 10 words; given anew as a whole. Any language.
   */
  replace?: {
    [k: string]: string;
  };
}
export interface Reconfigure {
  type: "reconfigure";
  /**
   * Language code, or `auto` for models that find it themselves. null: the model's default.
   */
  language?: string | null;
  /**
   * Future encoder frames (80 ms each) awaited before one is recognised; one of the model's. `auto`: the shortest
   * of lookahead_min to lookahead_max that the server's load allows at the moment. null: the model's default.
   */
  lookahead?: number | "auto" | null;
  /**
   * With lookahead auto: the shortest that the server may choose, one of the model's. null: the model's default.
   */
  lookahead_min?: number | null;
  /**
   * With lookahead auto: the longest that the server may choose, one of the model's. null: the model's longest.
   */
  lookahead_max?: number | null;
  /**
   * Send hypotheses of the utterance in progress.
   */
  partials?: boolean;
  /**
   * Send words with times and confidences in partials and finals.
   */
  words?: boolean;
  /**
   * Language model by name, one of those that the server has, or `off`. null: the model's default.
   */
  lm?: string | null;
  /**
   * Scale of the language model's scores. null: the one that suits it.
   */
  lm_weight?: number | null;
  /**
   * Phrases to favour: names, places, products. At most as many as the server allows (setting lm.max_hotwords).
   */
  hotwords?: (string | Hotword)[];
  /**
   * What may be said, and what it means: a grammar in JSGF (text that begins with `#JSGF`), or the name of one that
   * the server has. Finals then have an `intent`.
   */
  grammar?: string | null;
  endpoint?: EndpointOptions;
  text?: TextOptions;
}
export interface Flush {
  type: "flush";
}
export interface End {
  type: "end";
}
export interface KeepAlive {
  type: "keepalive";
}
/**
 * What was written wrongly in an utterance, and what it should be.
 */
export interface Correct {
  type: "correct";
  /**
   * Channel of the utterance.
   */
  channel?: number;
  /**
   * Number of the utterance.
   */
  utterance: number;
  /**
   * Words of its final, as they were written.
   */
  was: string;
  /**
   * What was said, as it should be written.
   */
  should_be: string;
}
/**
 * The answer to the configuration: the session holds its lanes.
 */
export interface ReadyEvent {
  type: "ready";
  version: number;
  session: string;
  clock_rate: number;
  config: SessionOptions;
  model: ModelInfo;
}
/**
 * Options of one session. Those in `MUTABLE` may change while it runs.
 */
export interface SessionOptions {
  /**
   * Sample format of raw audio (little-endian), or `container`: WAV, FLAC, Ogg/WebM Opus, MP3, found by content.
   */
  encoding?: "linear16" | "float32" | "mulaw" | "alaw" | "container";
  /**
   * Samples per second of raw audio (Hz); a container says its own.
   */
  sample_rate?: number;
  /**
   * Interleaved channels of raw audio; a container says its own.
   */
  channels?: number;
  /**
   * One channel by index, the mean of all, or each recognised on its own.
   */
  channel?: number | ("mix" | "separate");
  /**
   * Name of the model expected; refused when the server serves another.
   */
  model?: string | null;
  /**
   * Language code, or `auto` for models that find it themselves. null: the model's default.
   */
  language?: string | null;
  /**
   * Future encoder frames (80 ms each) awaited before one is recognised; one of the model's. `auto`: the shortest
   * of lookahead_min to lookahead_max that the server's load allows at the moment. null: the model's default.
   */
  lookahead?: number | "auto" | null;
  /**
   * With lookahead auto: the shortest that the server may choose, one of the model's. null: the model's default.
   */
  lookahead_min?: number | null;
  /**
   * With lookahead auto: the longest that the server may choose, one of the model's. null: the model's longest.
   */
  lookahead_max?: number | null;
  /**
   * Send hypotheses of the utterance in progress.
   */
  partials?: boolean;
  /**
   * Send words with times and confidences in partials and finals.
   */
  words?: boolean;
  /**
   * Hypotheses per final, at most; more than one needs `decoding.method` beam.
   */
  alternatives?: number;
  /**
   * Language model by name, one of those that the server has, or `off`. null: the model's default.
   */
  lm?: string | null;
  /**
   * Scale of the language model's scores. null: the one that suits it.
   */
  lm_weight?: number | null;
  /**
   * Phrases to favour: names, places, products. At most as many as the server allows (setting lm.max_hotwords).
   */
  hotwords?: Hotword[];
  /**
   * What may be said, and what it means: a grammar in JSGF (text that begins with `#JSGF`), or the name of one that
   * the server has. Finals then have an `intent`.
   */
  grammar?: string | null;
  /**
   * Key of a user's profile that the server keeps: its hotwords and replacements are added to the session's, and
   * corrections are stored with it.
   */
  profile?: string | null;
  decoding?: DecodingOptions;
  audio?: AudioOptions;
  vad?: VadOptions;
  endpoint?: EndpointOptions;
  text?: TextOptions;
}
/**
 * What a client may know of the model.
 */
export interface ModelInfo {
  name: string;
  languages: string[];
  lookaheads: number[];
  default_lookahead: number;
  head: string;
}
/**
 * The answer to a change of options.
 */
export interface ConfiguredEvent {
  type: "configured";
  config: SessionOptions;
}
/**
 * The answer to a correction, which counts from the next speech on.
 */
export interface CorrectedEvent {
  type: "corrected";
  channel: number;
  utterance: number;
  hotword: boolean;
  stored: boolean;
}
/**
 * The detector heard speech begin.
 */
export interface SpeechStartedEvent {
  type: "speech_started";
  channel: number;
  at: number;
}
/**
 * The detector heard speech end.
 */
export interface SpeechStoppedEvent {
  type: "speech_stopped";
  channel: number;
  at: number;
}
/**
 * The hypothesis of the utterance in progress. Replaces the previous partial of the same utterance.
 */
export interface PartialEvent {
  type: "partial";
  channel: number;
  utterance: number;
  text: string;
  stable: number;
  words: Word[];
  start: number;
  processed: number;
  lag_ms: number;
}
/**
 * One recognised word.
 */
export interface Word {
  text: string;
  start: number;
  end: number;
  confidence: number;
}
/**
 * An utterance ended by a rule; its `Final` follows.
 */
export interface EndpointEvent {
  type: "endpoint";
  channel: number;
  utterance: number;
  at: number;
  reason: "silence" | "no_text" | "max_utterance" | "flush" | "end" | "failure";
}
/**
 * The result of an utterance; exactly one for every utterance opened.
 */
export interface FinalEvent {
  type: "final";
  channel: number;
  utterance: number;
  alternatives: Alternative[];
  start: number;
  end: number;
  processed: number;
  lag_ms: number;
  reason: "silence" | "no_text" | "max_utterance" | "flush" | "end" | "failure";
  intent: Intent | null;
}
/**
 * One hypothesis of an utterance.
 */
export interface Alternative {
  text: string;
  confidence: number;
  words: Word[];
  score?: number | null;
  spoken?: string;
}
/**
 * What an utterance means, by the session's grammar.
 */
export interface Intent {
  name: string;
  slots: {
    [k: string]: string;
  };
  score: number;
  sentence: string;
}
/**
 * The server chose another lookahead because of its load; only for sessions that ask for `auto`.
 */
export interface LookaheadChangedEvent {
  type: "lookahead_changed";
  channel: number;
  at: number;
  lookahead: number;
}
/**
 * Something is wrong with the audio, or is well again; at most one for each problem in three seconds.
 */
export interface AudioIssueEvent {
  type: "audio_issue";
  channel: number;
  at: number;
  problem: "clipping" | "no_signal" | "too_quiet";
  active: boolean;
  level_dbfs: number;
  clipped: number;
}
/**
 * The answer to a flush: everything received before it has its final.
 */
export interface FlushedEvent {
  type: "flushed";
  at: number;
}
/**
 * Something was refused or broke. `fatal` failures are followed by finals of what was heard and `Closed`.
 */
export interface FailureEvent {
  type: "error";
  code: ErrorCode;
  message: string;
  fatal: boolean;
}
/**
 * The last event of every session.
 */
export interface ClosedEvent {
  type: "closed";
  received: number;
}
