#include "system/stream/stream.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/error.h"

namespace deployer {
namespace {

/// Keeps what it gets.
class Collector : public ByteSink {
 public:
  void write(std::string_view bytes) override { text += bytes; }
  void finish() override { ++finished; }
  std::string text;
  int finished = 0;
};

std::string random_bytes(std::size_t count) {
  std::mt19937_64 generator(20261124);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(generator());
  return bytes;
}

std::string repetitive_bytes(std::size_t count) {
  std::string bytes;
  while (bytes.size() < count) bytes += "INSERT INTO books VALUES (" + std::to_string(bytes.size()) + ");\n";
  bytes.resize(count);
  return bytes;
}

std::string compressed(std::string_view bytes, std::size_t piece = SIZE_MAX) {
  Collector out;
  ZstdCompressor compressor(out);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) compressor.write(bytes.substr(0, piece));
  compressor.finish();
  EXPECT_EQ(out.finished, 1);
  return out.text;
}

std::string decompressed(std::string_view bytes, std::size_t piece = SIZE_MAX) {
  Collector out;
  ZstdDecompressor decompressor(out);
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) decompressor.write(bytes.substr(0, piece));
  decompressor.finish();
  EXPECT_EQ(out.finished, 1);
  return out.text;
}

Error stream_error(std::string_view bytes) {
  try {
    (void)decompressed(bytes);
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorKind::internal, "no error came");
}

TEST(Zstd, GivesBackWhatWentIn) {
  for (const std::size_t size : {0u, 1u, 100u, 131'072u, 3'000'000u}) {
    for (const std::string& bytes : {random_bytes(size), repetitive_bytes(size)}) {
      EXPECT_EQ(decompressed(compressed(bytes)), bytes) << size;
    }
  }
}

TEST(Zstd, GivesTheSameWhereverThePiecesAreCut) {
  const std::string bytes = repetitive_bytes(20'000);
  for (const std::size_t piece : {1u, 7u, 4096u}) {
    EXPECT_EQ(decompressed(compressed(bytes, piece), piece), bytes) << piece;
  }
}

TEST(Zstd, MakesRepetitiveBytesMuchSmaller) { EXPECT_LT(compressed(repetitive_bytes(1'000'000)).size(), 200'000u); }

TEST(Zstd, ReadsSeveralFramesOneAfterAnother) {
  const std::string one = random_bytes(200'000);
  EXPECT_EQ(decompressed(compressed(one) + compressed("two") + compressed("")), one + "two");
}

TEST(Zstd, SaysThatAFrameIsCutOffWhereverItIs) {
  const std::string whole = compressed(repetitive_bytes(2'000));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const Error error = stream_error(std::string_view(whole).substr(0, length));
    EXPECT_EQ(error.kind, ErrorKind::invalid) << length;
    EXPECT_EQ(error.message, "ends in the middle of a zstd frame") << length;
  }
}

TEST(Zstd, FindsEveryFlippedBitOfTheContent) {
  const std::string whole = compressed(random_bytes(300));
  // The header's first bytes say what it is; behind them stand the content and its checksum.
  for (std::size_t place = 12; place < whole.size(); ++place) {
    std::string damaged = whole;
    damaged[place] = static_cast<char>(damaged[place] ^ 1);
    EXPECT_EQ(stream_error(damaged).kind, ErrorKind::invalid) << place;
  }
}

TEST(Zstd, RefusesWhatIsNoFrame) {
  EXPECT_EQ(stream_error("SQLite format 3").message, "cannot decompress zstd: Unknown frame descriptor");
  EXPECT_EQ(stream_error(compressed("good") + "and then this").kind, ErrorKind::invalid);
}

TEST(Zstd, AWriterThatFailsStopsIt) {
  FunctionSink broken([](std::string_view) { throw Error(ErrorKind::no_space, "full"); });
  ZstdCompressor compressor(broken);
  compressor.write("some");
  EXPECT_THROW(compressor.finish(), Error);
}

// FIPS 180-4's examples, as in NIST's "SHA-256 examples" and the CAVS vectors.
TEST(Sha256, GivesThePublishedDigests) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, GivesTheSamePieceByPiece) {
  Sha256 hash;
  hash.update("a");
  Sha256 moved = std::move(hash);
  moved.update("");
  moved.update("bc");
  EXPECT_EQ(moved.hex(), sha256_hex("abc"));
}

std::string hex_of(const Blake2b128& digest) {
  std::string text;
  for (int i = 0; i < 8; ++i) text += fmt::format("{:02x}", digest.low >> (8 * i) & 0xff);
  for (int i = 0; i < 8; ++i) text += fmt::format("{:02x}", digest.high >> (8 * i) & 0xff);
  return text;
}

// Expected: hashlib.blake2b(bytes, digest_size=16).hexdigest() of Python 3.
TEST(Blake2b128, GivesWhatOtherImplementationsGive) {
  EXPECT_EQ(hex_of(blake2b128("")), "cae66941d9efbd404e4d88758ea67670");
  EXPECT_EQ(hex_of(blake2b128("abc")), "cf4ab791c62b8d2b2109c90275287816");
  EXPECT_EQ(hex_of(blake2b128(std::string(1000, 'a'))), "a0e5a332e985551c28a377c40f4139c3");
  EXPECT_EQ(hex_of(blake2b128(std::string(129, '\0'))), "dcd04926f5dafbeb0bb326f1915d1066");
}

}  // namespace
}  // namespace deployer
