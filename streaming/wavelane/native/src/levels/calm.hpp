// A lane in calm: what 16-bit audio goes through, a hop or a part of one at a time, as long as nothing has to be told or
// changed. The rules are those of wavelane.audio.enhance (level, gain, offset, quality), wavelane.vad.segmenter and
// wavelane.session.gate, in the same order and the same arithmetic; whatever is not calm is left to them, with nothing
// changed here.

#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "levels.hpp"

using Judge = int (*)(void* detector, int rate, const int16_t* samples, size_t count);

struct Calm {  // as wavelane.native.calm.State
    // What the lane has
    int64_t judge, detector;  // webrtc's function and its object
    int64_t frame;            // samples that the detector judges at a time; a hop has whole frames
    int64_t measured, gain, offset, report;  // what of the front end is on
    int64_t min_speech, min_silence;
    // What it is in
    int64_t stream;  // whether audio goes into a window
    int64_t silence;  // samples of silence that mean something
    int64_t window, room, filled;  // floats, how many, how many are there
    // The front end's state
    double floor, speech;
    int64_t spoken;
    double mean;
    int64_t offset_hops, flat, no_signal;
    // The segmenter's; candidate is -1 where there is none
    int64_t position, speaking, candidate, candidate_speech, candidate_end, speech_end, active;
    int64_t hops, taken;  // whole hops, and samples, since the state came here
    int64_t part, hop;    // samples of the hop in progress, and where they are kept: HOP numbers of 16 bits
    int64_t flags;        // of the newest samples, whatever came of them: bit k, whether frame k is speech
};

namespace calm {

constexpr int HOP = 1600, RATE = 16000, WINDOW = 30, BELIEVED_GAIN = 8, BELIEVED_OFFSET = 3, FULL = 32113;
constexpr double QUIETEST = -100.0, ABOVE_FLOOR = 12.0, AUDIBLE = -72.0, FLOOR_RISE = 0.2, RISE = 0.5, FALL = 0.03;
constexpr double QUIET = -42.0, LOUD = -12.0, SHARE = 0.1, LEAST_OFFSET = 0.005, NO_SIGNAL = -88.0, TOO_QUIET = -50.0;

// The front end takes a hop; false where that changes gain or offset, or has to be told.
inline bool heard(Calm& lane, const int16_t* samples) {
    int64_t sums[3];
    levels16(samples, HOP, FULL, sums);
    if (sums[2] && lane.report) return false;
    const double mean = static_cast<double>(sums[0]) / 32768.0 / HOP;
    const double power = static_cast<double>(sums[1]) / 1073741824.0 / HOP - mean * mean;
    const double rms = power > 1e-10 ? 10.0 * std::log10(power) : QUIETEST;
    const double risen = lane.floor + FLOOR_RISE;
    lane.floor = rms < risen ? rms : risen;
    const bool speech = rms >= lane.floor + ABOVE_FLOOR && rms >= AUDIBLE;
    if (speech) {
        lane.spoken++;
        if (lane.spoken == 1)
            lane.speech = rms;
        else
            lane.speech += (rms - lane.speech) * (rms > lane.speech ? RISE : FALL);
        if (lane.gain && lane.spoken >= BELIEVED_GAIN && (lane.speech < QUIET || lane.speech > LOUD)) return false;
        if (lane.report && lane.speech < TOO_QUIET) return false;
    }
    if (lane.offset) {
        lane.offset_hops++;
        const double share = 1.0 / static_cast<double>(lane.offset_hops);
        lane.mean += (mean - lane.mean) * (share > SHARE ? share : SHARE);
        if (lane.offset_hops >= BELIEVED_OFFSET && std::fabs(lane.mean) >= LEAST_OFFSET) return false;
    }
    if (lane.report) {
        lane.flat = rms < NO_SIGNAL ? lane.flat + 1 : 0;
        if (lane.no_signal ? lane.flat == 0 : lane.flat >= WINDOW) return false;
    }
    return true;
}

// The segmenter takes judgements of frames; false where speech starts or stops, or silence has lasted.
inline bool segmented(Calm& lane, int64_t frames) {
    for (int64_t flags = lane.flags; frames; frames--, flags >>= 1) {
        const int64_t start = lane.position;
        lane.position += lane.frame;
        lane.active = flags & 1;
        if (lane.speaking) {
            if (lane.active)
                lane.speech_end = lane.position;
            else if (lane.position - lane.speech_end >= lane.min_silence)
                return false;
        } else if (lane.active) {
            if (lane.candidate < 0) {
                lane.candidate = start;
                lane.candidate_speech = 0;
            }
            lane.candidate_speech += lane.frame;
            lane.candidate_end = lane.position;
            if (lane.candidate_speech >= lane.min_speech) return false;
        } else if (lane.candidate >= 0 && lane.position - lane.candidate_end > lane.frame) {
            lane.candidate = -1;
        }
        if ((lane.candidate < 0 ? lane.position : lane.candidate) - lane.speech_end >= lane.silence) return false;
    }
    return true;
}

enum Outcome { TAKEN = 0, UNFED = 1, ROUSED = 2 };

// ``count`` samples: whole frames of the detector, and no more than the hop in progress lacks.
inline Outcome take(Calm& lane, const int16_t* samples, int64_t count) {
    // The detector first: it moves on whatever comes of the samples, and what it says is needed in any case.
    const Judge judge = reinterpret_cast<Judge>(lane.judge);
    void* const detector = reinterpret_cast<void*>(lane.detector);
    const int64_t frames = count / lane.frame;
    lane.flags = 0;
    for (int64_t k = 0; k < frames; k++)
        lane.flags |= static_cast<int64_t>(judge(detector, RATE, samples + k * lane.frame, lane.frame) == 1) << k;
    const int16_t* whole = samples;
    if (count < HOP) {
        int16_t* const hop = reinterpret_cast<int16_t*>(lane.hop);
        std::memcpy(hop + lane.part, samples, count * sizeof(int16_t));
        whole = hop;
    }
    Calm next = lane;
    next.taken += count;
    next.part += count;
    if (next.part == HOP) {
        if (next.measured && !heard(next, whole)) return ROUSED;
        next.part = 0;
        next.hops++;
    }
    if (!segmented(next, frames)) return ROUSED;
    if (next.stream && next.filled + count < next.room) {
        float* const window = reinterpret_cast<float*>(next.window) + next.filled;
        for (int64_t i = 0; i < count; i++) window[i] = static_cast<float>(samples[i]) * (1.0f / 32768.0f);
        next.filled += count;
    }
    const bool unfed = next.stream && next.filled == lane.filled;
    lane = next;
    return unfed ? UNFED : TAKEN;
}

}  // namespace calm
