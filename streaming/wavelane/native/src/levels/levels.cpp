// The C interface of what the front end does with a hop of 16-bit audio.

#include <cstdint>

#include "calm.hpp"
#include "levels.hpp"

#define WAVELANE_EXPORT extern "C" __attribute__((visibility("default")))

// Measures a hop; see levels.hpp.
WAVELANE_EXPORT void wavelane_levels16(const int16_t* samples, int count, int full, int64_t* out) {
    levels16(samples, count, full, out);
}

// Bytes of the state: a library of other sources than the Python beside it shows.
WAVELANE_EXPORT int64_t wavelane_calm_size() { return sizeof(Calm); }

// Takes samples of a lane in calm; see calm.hpp. Returns what came of them.
WAVELANE_EXPORT int wavelane_calm_take(Calm* lane, const int16_t* samples, int count) {
    return calm::take(*lane, samples, count);
}
