// The scores of one frame: their logarithm of the sum, and the symbols that are worth trying.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "search.h"

// What goes over all symbols is compiled for several processors, and the best is chosen when the library is loaded.
// Vectors have sixteen numbers on all of them, so that sums are the same.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define WAVELANE_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WAVELANE_WIDE
#endif

namespace wavelane {
namespace wide {

constexpr int kBlock = 16;
typedef float Floats __attribute__((vector_size(4 * kBlock)));
typedef int32_t Ints __attribute__((vector_size(4 * kBlock)));

#define WAVELANE_INLINE inline __attribute__((always_inline))

WAVELANE_INLINE Floats load(const float* from, int count) {
  Floats x = Floats{} - INFINITY;
  std::memcpy(&x, from, sizeof(float) * (count < kBlock ? count : kBlock));
  return x;
}

// e^x for x <= 0, within 2e-7 of it; 0 for less than -87.
WAVELANE_INLINE Floats exponential(Floats x) {
  const Ints real = x > -87.0f;
  x = real ? x : Floats{};
  const Ints n = __builtin_convertvector(x * 1.44269504f - 0.5f, Ints);
  const Floats whole = __builtin_convertvector(n, Floats);
  const Floats r = x - whole * 0.693145752f - whole * 1.42860677e-6f;
  const Floats e = 1 + r * (1 + r * (0.5f + r * (1.6666667e-1f + r * (4.1665795e-2f + r * (8.3334519e-3f + r * 1.3887906e-3f)))));
  const Ints bits = (n + 127) << 23;
  Floats scale;
  std::memcpy(&scale, &bits, sizeof scale);
  return real ? e * scale : Floats{};
}

WAVELANE_WIDE inline float peak(const float* scores, int count) {
  Floats most = load(scores, count);
  for (int i = kBlock; i < count; i += kBlock) {
    const Floats x = load(scores + i, count - i);
    most = x > most ? x : most;
  }
  float result = most[0];
  for (int j = 1; j < kBlock; ++j) result = most[j] > result ? most[j] : result;
  return result;
}

// No number if any of the scores is none, or they have no greatest.
WAVELANE_WIDE inline float sum_of_exponentials(const float* scores, int count, float peak) {
  Floats sums{};
  for (int i = 0; i < count; i += kBlock) {
    const Floats x = load(scores + i, count - i) - peak;
    const Ints number = x == x;
    sums += number ? exponential(x) : x;
  }
  float total = 0;
  for (int j = 0; j < kBlock; ++j) total += sums[j];
  return total;
}

// Appends the symbols whose scores reach ``floor``.
WAVELANE_WIDE inline void reaching(const float* scores, int count, float floor, std::vector<int32_t>& found) {
  for (int i = 0; i < count; i += kBlock) {
    const Ints reach = load(scores + i, count - i) >= floor;
    uint64_t words[kBlock / 2], any = 0;
    std::memcpy(words, &reach, sizeof words);
    for (const uint64_t word : words) any |= word;
    if (any == 0) continue;
    for (int j = 0; j < kBlock; ++j) {
      if (reach[j] != 0 && i + j < count) found.push_back(i + j);
    }
  }
}

}  // namespace wide

// Log-probabilities of a frame's symbols, and those that are worth trying, the most probable first.
class Frame {
 public:
  // ``blank_penalty`` is taken from the blank.
  void take(const float* scores, const wavelane_search_options& o, double blank_penalty) {
    scores_ = scores;
    blank_ = o.blank;
    blank_penalty_ = blank_penalty;
    const float peak = wide::peak(scores, o.symbols);
    sum_ = peak + std::log(static_cast<double>(wide::sum_of_exponentials(scores, o.symbols, peak)));
    tokens.clear();
    const float floor = static_cast<float>(sum_) + o.floor;
    wide::reaching(scores, o.symbols, floor, tokens);
    tokens.erase(std::remove(tokens.begin(), tokens.end(), o.blank), tokens.end());
    const auto likelier = [&](int32_t a, int32_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; };
    const size_t most = std::min(tokens.size(), static_cast<size_t>(o.tokens));
    std::partial_sort(tokens.begin(), tokens.begin() + most, tokens.end(), likelier);
    tokens.resize(most);
  }
  double operator[](int32_t symbol) const { return scores_[symbol] - sum_ - (symbol == blank_ ? blank_penalty_ : 0); }
  bool finite() const { return std::isfinite(sum_); }
  std::vector<int32_t> tokens;

 private:
  const float* scores_ = nullptr;
  double sum_ = 0, blank_penalty_ = 0;
  int32_t blank_ = -1;
};

}  // namespace wavelane
