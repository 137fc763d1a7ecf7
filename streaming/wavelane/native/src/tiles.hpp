// Matrix products by AMX: one instruction multiplies 16 rows of 16 groups with 16 groups of 16 columns.
//
// Everything here is empty in builds for processors without it. A thread has tiles while a ``Tiles`` is alive, and pays
// for their registers at a switch of threads only then.
#pragma once

#include "precision.hpp"

#ifdef __AMX_TILE__
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace wavelane {

constexpr int kTile = 16;                  // rows of a tile, groups of its rows, columns
constexpr int kTileGroups = kTile * kTile;  // of a tile of weights, which lies in one piece

#ifdef __AMX_TILE__

constexpr int kValueGroups = kTile / 2;  // of 16 frames' values in bfloat16

// Which precisions are multiplied by tiles.
template <class P>
constexpr bool kTiled = P::kPerGroup > 1;

// Linux gives the registers to processes that ask.
inline bool tiles_allowed() {
  constexpr int kRequest = 0x1023 /* ARCH_REQ_XCOMP_PERM */, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

// The compiler does not know what instructions on tiles read: whatever was written has to be in memory before them.
inline __attribute__((always_inline)) void written() { asm volatile("" ::: "memory"); }

struct alignas(64) TileShapes {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
  void set(int tile, int height, int groups) {
    rows[tile] = static_cast<uint8_t>(height);
    bytes[tile] = static_cast<uint16_t>(groups * 4);
  }
  void use() const {
    asm volatile("" ::"r"(this) : "memory");
    _tile_loadconfig(this);
  }
};

// Eight tiles of full size: 0-3 sums, 4-5 rows, 6-7 weights.
inline void whole_tiles() {
  TileShapes shapes;
  for (int i = 0; i < 8; ++i) shapes.set(i, kTile, kTile);
  shapes.use();
}

class Tiles {
 public:
  Tiles() { whole_tiles(); }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

// Numbers of tiles have to stand in the source as they are.
#define WAVELANE_TILE_DOT(sum, a, b)                \
  do {                                              \
    if constexpr (P::kPerGroup == 2) {              \
      _tile_dpbf16ps(sum, a, b);                    \
    } else {                                        \
      _tile_dpbssd(sum, a, b);                      \
    }                                               \
  } while (false)

// 16 rows against a block of 64 columns: ``a`` [16, a_stride], ``b`` [2][depth][2] tiles, ``to`` [16, 64].
template <class P>
__attribute__((noinline)) void tile_block(const Group* a, long a_stride, const Group* b, int depth, Group* to) {
  written();
  const long line = a_stride * static_cast<long>(sizeof(Group));
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const Group* right = b + depth * 2 * kTileGroups;
  for (int k = 0; k < depth; ++k, a += kTile, b += 2 * kTileGroups, right += 2 * kTileGroups) {
    _tile_loadd(4, a, line);
    _tile_loadd(6, b, 64);
    WAVELANE_TILE_DOT(0, 4, 6);
    _tile_loadd(7, b + kTileGroups, 64);
    WAVELANE_TILE_DOT(1, 4, 7);
    _tile_loadd(5, right, 64);
    WAVELANE_TILE_DOT(2, 4, 5);
    _tile_loadd(6, right + kTileGroups, 64);
    WAVELANE_TILE_DOT(3, 4, 6);
  }
  _tile_stored(0, to, 256);
  _tile_stored(1, to + kTile, 256);
  _tile_stored(2, to + 2 * kTile, 256);
  _tile_stored(3, to + 3 * kTile, 256);
}

// The same for 32 rows: every tile of weights is used twice.
template <class P>
__attribute__((noinline)) void tile_block2(const Group* a, long a_stride, const Group* b, int depth, Group* to) {
  written();
  const long line = a_stride * static_cast<long>(sizeof(Group));
  for (int half = 0; half < 2; ++half, to += 2 * kTile) {
    const Group* upper = a;
    const Group* lower = a + kTile * a_stride;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int k = 0; k < depth; ++k, upper += kTile, lower += kTile, b += 2 * kTileGroups) {
      _tile_loadd(6, b, 64);
      _tile_loadd(4, upper, line);
      WAVELANE_TILE_DOT(0, 4, 6);
      _tile_loadd(5, lower, line);
      WAVELANE_TILE_DOT(2, 5, 6);
      _tile_loadd(7, b + kTileGroups, 64);
      WAVELANE_TILE_DOT(1, 4, 7);
      WAVELANE_TILE_DOT(3, 5, 7);
    }
    _tile_stored(0, to, 256);
    _tile_stored(1, to + kTile, 256);
    _tile_stored(2, to + kTile * 4 * kTile, 256);
    _tile_stored(3, to + kTile * 4 * kTile + kTile, 256);
  }
}

// Tiles for products of few rows with strips of groups, as long as it is alive: 0-3 sums, 4 and 6 rows and weights of
// ``groups`` groups, 5 and 7 of those of 16 numbers.
class StripTiles {
 public:
  StripTiles(int rows, int groups) {
    TileShapes shapes;
    for (int i = 0; i < 4; ++i) shapes.set(i, rows, kTile);
    shapes.set(4, rows, groups);
    shapes.set(5, rows, kValueGroups);
    shapes.set(6, groups, kTile);
    shapes.set(7, kValueGroups, kTile);
    shapes.use();
  }
  ~StripTiles() { whole_tiles(); }
  StripTiles(const StripTiles&) = delete;
  StripTiles& operator=(const StripTiles&) = delete;
};

// to [rows, 16 vectors] = a [rows, depth * groups] times b [vectors][depth * groups][16]
template <class P>
__attribute__((noinline)) void key_tiles(const Group* a, long a_stride, const Group* b, int depth, int groups, int vectors,
                                         float* to, long to_stride) {
  written();
  const long a_line = a_stride * static_cast<long>(sizeof(Group)), to_line = to_stride * static_cast<long>(sizeof(float));
  const long tile = static_cast<long>(groups) * kTile;
#define WAVELANE_VECTOR(sum)                    \
  _tile_zero(sum);                              \
  for (int k = 0; k < depth; ++k, b += tile) {  \
    _tile_loadd(4, a + k * groups, a_line);     \
    _tile_loadd(6, b, 64);                      \
    WAVELANE_TILE_DOT(sum, 4, 6);               \
  }
  // Two sums at a time: one is stored while the other one is added up.
  for (; vectors > 1; vectors -= 2, to += 2 * kTile) {
    WAVELANE_VECTOR(0)
    WAVELANE_VECTOR(1)
    _tile_stored(0, to, to_line);
    _tile_stored(1, to + kTile, to_line);
  }
  if (vectors > 0) {
    WAVELANE_VECTOR(2)
    _tile_stored(2, to, to_line);
  }
#undef WAVELANE_VECTOR
}

// to [rows, 16 vectors] = a [rows, 8 depth] times b [8 depth, b_stride]
template <class P>
__attribute__((noinline)) void value_tiles(const Group* a, long a_stride, const Group* b, long b_stride, int depth, int vectors,
                                           float* to, long to_stride) {
  written();
  const long a_line = a_stride * static_cast<long>(sizeof(Group)), b_line = b_stride * static_cast<long>(sizeof(Group));
  const long to_line = to_stride * static_cast<long>(sizeof(float));
  for (; vectors > 0; vectors -= 4, b += 4 * kTile, to += 4 * kTile) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int k = 0; k < depth; ++k) {
      const Group* weights = b + k * kValueGroups * b_stride;
      _tile_loadd(5, a + k * kValueGroups, a_line);
      _tile_loadd(7, weights, b_line);
      WAVELANE_TILE_DOT(0, 5, 7);
      if (vectors > 1) {
        _tile_loadd(7, weights + kTile, b_line);
        WAVELANE_TILE_DOT(1, 5, 7);
      }
      if (vectors > 2) {
        _tile_loadd(7, weights + 2 * kTile, b_line);
        WAVELANE_TILE_DOT(2, 5, 7);
      }
      if (vectors > 3) {
        _tile_loadd(7, weights + 3 * kTile, b_line);
        WAVELANE_TILE_DOT(3, 5, 7);
      }
    }
    _tile_stored(0, to, to_line);
    if (vectors > 1) _tile_stored(1, to + kTile, to_line);
    if (vectors > 2) _tile_stored(2, to + 2 * kTile, to_line);
    if (vectors > 3) _tile_stored(3, to + 3 * kTile, to_line);
  }
}

#else

template <class P>
constexpr bool kTiled = false;
inline bool tiles_allowed() { return true; }
class Tiles {
 public:
  Tiles() {}
};
template <class P>
void tile_block(const Group*, long, const Group*, int, Group*) {}
template <class P>
void tile_block2(const Group*, long, const Group*, int, Group*) {}
class StripTiles {
 public:
  StripTiles(int, int) {}
};
template <class P>
void key_tiles(const Group*, long, const Group*, int, int, int, float*, long) {}
template <class P>
void value_tiles(const Group*, long, const Group*, long, int, int, float*, long) {}

#endif

}  // namespace wavelane
