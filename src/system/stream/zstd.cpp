#include <zstd.h>

#include <vector>

#include "base/error.h"
#include "system/stream/stream.h"

namespace deployer {

namespace {

/// The result of a zstd call, or its error thrown as `kind`.
std::size_t zstd_checked(std::size_t result, ErrorKind kind, const char* what) {
  if (ZSTD_isError(result) == 0) return result;
  throw Error(kind, std::string(what) + ": " + ZSTD_getErrorName(result));
}

struct ZstdContextEnd {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

struct ZstdCompressor::State {
  ByteSink& next;
  std::unique_ptr<ZSTD_CCtx, ZstdContextEnd> context;
  std::vector<char> buffer;

  /// Gives `bytes` to the compressor and what comes out of it to `next`, until all is taken (and, at the end, all out).
  void run(std::string_view bytes, ZSTD_EndDirective directive) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    bool more = true;
    while (more) {
      ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
      const std::size_t left = zstd_checked(ZSTD_compressStream2(context.get(), &out, &in, directive),
                                            ErrorKind::internal, "cannot compress");
      if (out.pos > 0) next.write(std::string_view(buffer.data(), out.pos));
      more = directive == ZSTD_e_end ? left > 0 : in.pos < in.size;
    }
  }
};

ZstdCompressor::ZstdCompressor(ByteSink& next, int level)
    : state_(new State{next, std::unique_ptr<ZSTD_CCtx, ZstdContextEnd>(ZSTD_createCCtx()),
                       std::vector<char>(ZSTD_CStreamOutSize())}) {
  if (!state_->context) throw std::bad_alloc();
  const auto set = [this](ZSTD_cParameter parameter, int value) {
    zstd_checked(ZSTD_CCtx_setParameter(state_->context.get(), parameter, value), ErrorKind::internal,
                 "cannot set up zstd");
  };
  set(ZSTD_c_compressionLevel, level);
  set(ZSTD_c_checksumFlag, 1);
}

ZstdCompressor::~ZstdCompressor() = default;

void ZstdCompressor::write(std::string_view bytes) {
  if (!bytes.empty()) state_->run(bytes, ZSTD_e_continue);
}

void ZstdCompressor::finish() {
  state_->run({}, ZSTD_e_end);
  state_->next.finish();
}

struct ZstdDecompressor::State {
  ByteSink& next;
  std::unique_ptr<ZSTD_DCtx, ZstdContextEnd> context;
  std::vector<char> buffer;
  bool in_frame = true;  ///< the first frame is expected
};

ZstdDecompressor::ZstdDecompressor(ByteSink& next)
    : state_(new State{next, std::unique_ptr<ZSTD_DCtx, ZstdContextEnd>(ZSTD_createDCtx()),
                       std::vector<char>(ZSTD_DStreamOutSize())}) {
  if (!state_->context) throw std::bad_alloc();
}

ZstdDecompressor::~ZstdDecompressor() = default;

void ZstdDecompressor::write(std::string_view bytes) {
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  bool more = !bytes.empty();
  while (more) {
    ZSTD_outBuffer out{state_->buffer.data(), state_->buffer.size(), 0};
    const std::size_t left = zstd_checked(ZSTD_decompressStream(state_->context.get(), &out, &in), ErrorKind::invalid,
                                          "cannot decompress zstd");
    state_->in_frame = left != 0;
    if (out.pos > 0) state_->next.write(std::string_view(state_->buffer.data(), out.pos));
    // A full buffer may have left something inside, unless the frame is over.
    more = in.pos < in.size || (out.pos == out.size && state_->in_frame);
  }
}

void ZstdDecompressor::finish() {
  if (state_->in_frame) throw Error(ErrorKind::invalid, "ends in the middle of a zstd frame");
  state_->next.finish();
}

}  // namespace deployer
