#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace deployer {

/// Where bytes go, piece by piece. Not thread-safe. `finish` is called once, after the last piece.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void write(std::string_view bytes) = 0;
  virtual void finish() {}
};

/// A function as a sink.
class FunctionSink : public ByteSink {
 public:
  explicit FunctionSink(std::function<void(std::string_view)> take) : take_(std::move(take)) {}
  void write(std::string_view bytes) override { take_(bytes); }

 private:
  std::function<void(std::string_view)> take_;
};

/// Compresses into one zstd frame (RFC 8878) with a content checksum and hands it on to `next`.
class ZstdCompressor : public ByteSink {
 public:
  explicit ZstdCompressor(ByteSink& next, int level = 3);
  ~ZstdCompressor() override;
  void write(std::string_view bytes) override;
  void finish() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The way back, one frame or several one after another; no byte at all is a frame cut off. `finish` throws Error
/// `invalid` ("ends in the middle of a zstd frame") where the input is cut off; a wrong checksum or header throws the
/// same kind from `write`.
class ZstdDecompressor : public ByteSink {
 public:
  explicit ZstdDecompressor(ByteSink& next);
  ~ZstdDecompressor() override;
  void write(std::string_view bytes) override;
  void finish() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Unpacks one gzip member (RFC 1952). Error `invalid` where the input is no such thing, damaged (its checksum), cut
/// off, or goes on behind it.
class GzipDecompressor : public ByteSink {
 public:
  explicit GzipDecompressor(ByteSink& next);
  ~GzipDecompressor() override;
  void write(std::string_view bytes) override;
  void finish() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// SHA-256 (FIPS 180-4), fed piece by piece.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::string_view bytes);
  /// 64 hex digits, lower case; ends the computation.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};
std::string sha256_hex(std::string_view bytes);

/// BLAKE2b (RFC 7693) with 16 bytes of output, for row digests.
struct Blake2b128 {
  std::uint64_t low = 0;   ///< bytes 0 to 7, little-endian
  std::uint64_t high = 0;  ///< bytes 8 to 15
};
Blake2b128 blake2b128(std::string_view bytes);

}  // namespace deployer
