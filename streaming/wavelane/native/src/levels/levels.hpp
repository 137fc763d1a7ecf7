// What the front end measures of a hop of 16-bit audio, in one pass (wavelane.audio.enhance.level). Integers only: the
// sums are exact, and so the same as any other exact way gives.

#pragma once

#include <cstdint>

// Sums the samples and their squares, and counts those of a magnitude of at least `full`; `out` takes the three.
inline void levels16(const int16_t* samples, int count, int full, int64_t* out) {
    int64_t sum = 0, squares = 0, clipped = 0;
    while (count > 0) {
        // No sum of so many parts of 16 bits passes 32, which compilers make vectors of.
        const int block = count < 32768 ? count : 32768;
        int32_t sums = 0, full_ones = 0;
        uint32_t low = 0, high = 0;
        int16_t most = 0, least = 0;
        for (int i = 0; i < block; i++) {
            const int16_t sample = samples[i];
            const uint32_t square = static_cast<uint32_t>(sample * sample);
            sums += sample;
            low += square & 0xFFFF;
            high += square >> 16;
            most = sample > most ? sample : most;
            least = sample < least ? sample : least;
        }
        // Most hops have none.
        if (most >= full || least <= -full)
            for (int i = 0; i < block; i++) full_ones += samples[i] >= full || samples[i] <= -full;
        sum += sums;
        squares += (static_cast<int64_t>(high) << 16) + low;
        clipped += full_ones;
        samples += block;
        count -= block;
    }
    out[0] = sum;
    out[1] = squares;
    out[2] = clipped;
}
