#include "native.h"

#include "model.hpp"

namespace {

using namespace wavelane;

AnyModel* of(void* model) { return static_cast<AnyModel*>(model); }

template <class P>
double rate(int rows, int k, int n, double seconds) {
  std::vector<float> weight(static_cast<size_t>(n) * k), row(k + kLanes);
  for (size_t i = 0; i < weight.size(); ++i) weight[i] = static_cast<float>((i * 37) % 19) - 9.0f;
  for (int i = 0; i < k; ++i) row[i] = static_cast<float>((i * 17) % 13) - 6.0f;
  Packed<P> w;
  w.pack(weight.data(), nullptr, n, k);
  Operand<P> a;
  a.shape(rows, k);
  for (int r = 0; r < rows; ++r) a.set(r, row.data(), k);
  Buffer<float> y(static_cast<size_t>(rows) * round_up(n, kLanes));
  const Tiles tiles;
  const auto run = [&] { product<P>(a, rows, w, store(y.get(), round_up(n, kLanes), n, [](Floats v) { return v; })); };
  run();
  const auto begin = std::chrono::steady_clock::now();
  double passed = 0;
  long runs = 0;
  while (passed < seconds) {
    run();
    ++runs;
    passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  return 2.0 * rows * k * n * static_cast<double>(runs) / passed;
}

}  // namespace

int64_t wavelane_layout(int which) { return which == 0 ? sizeof(wavelane_shape) : sizeof(wavelane_batch); }
int wavelane_allowed() { return tiles_allowed() ? 1 : 0; }
void* wavelane_create(const wavelane_shape* c) {
  if (!LogMel::supports(c->n_fft) || c->channels > kMostChannels) return nullptr;
  AnyModel* model = nullptr;
  switch (c->precision) {
    case 0: model = new Model<F32>(*c); break;
    case 1: model = new Model<BF16>(*c); break;
    case 2: model = new Model<Int8>(*c); break;
    default: break;
  }
  return model;
}
void wavelane_destroy(void* model) { delete of(model); }
int wavelane_load(void* model, const char* name, int layer, const float* data, int64_t count) {
  return of(model)->load(name, layer, data, count) ? 0 : 1;
}
int wavelane_plan(void* model, int chunk, const int32_t* lowest, const int32_t* highest, const float* positions) {
  return of(model)->plan(chunk, lowest, highest, positions) ? 0 : 1;
}
int wavelane_open(void* model, int64_t lanes) { return of(model)->open(lanes) ? 0 : 1; }
int64_t wavelane_bytes_per_lane(void* model) { return of(model)->bytes_per_lane(); }
void* wavelane_scratch(void* model) { return of(model)->scratch(); }
void wavelane_drop(void* model, void* scratch) { of(model)->drop(scratch); }
void wavelane_step(void* model, void* scratch, const wavelane_batch* batch) { of(model)->step(scratch, *batch); }
const float* wavelane_scores(void* model, void* scratch, int64_t* stride) { return of(model)->scores(scratch, *stride); }
int64_t wavelane_rnnt_size(void* model) { return of(model)->rnnt_size(); }
void wavelane_rnnt_fresh(void* model, float* state) { of(model)->rnnt_fresh(state); }
const float* wavelane_rnnt_join(void* model, void* scratch, int32_t count, const int32_t* frames, const float* const* states,
                                int64_t* stride) {
  return of(model)->rnnt_join(scratch, count, frames, states, *stride);
}
void wavelane_rnnt_read(void* model, void* scratch, int32_t count, const int32_t* ids, const float* const* sources,
                        float* const* targets) {
  of(model)->rnnt_read(scratch, count, ids, sources, targets);
}
void wavelane_seconds(void* model, void* scratch, double* seconds) {
  std::memcpy(seconds, of(model)->seconds(scratch), sizeof(double) * static_cast<int>(Part::count));
}
double wavelane_rate(int precision, int rows, int k, int n, double seconds) {
  switch (precision) {
    case 0: return rate<F32>(rows, k, n, seconds);
    case 1: return rate<BF16>(rows, k, n, seconds);
    default: return rate<Int8>(rows, k, n, seconds);
  }
}
