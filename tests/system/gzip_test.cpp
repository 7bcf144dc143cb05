#include <Poco/DeflatingStream.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/error.h"
#include "system/stream/stream.h"

namespace deployer {
namespace {

std::string gzipped(const std::string& text) {
  std::ostringstream out;
  Poco::DeflatingOutputStream deflater(out, Poco::DeflatingStreamBuf::STREAM_GZIP);
  deflater << text;
  deflater.close();
  return out.str();
}

std::string gunzipped(const std::string& bytes, std::size_t piece) {
  std::string text;
  FunctionSink sink([&](std::string_view part) { text += part; });
  GzipDecompressor decompressor(sink);
  for (std::size_t at = 0; at < bytes.size(); at += piece) decompressor.write(bytes.substr(at, piece));
  decompressor.finish();
  return text;
}

std::string long_text() {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "INSERT INTO books VALUES (" + std::to_string(i) + ");\n";
  return text;
}

ErrorKind kind_of_gunzipping(const std::string& bytes) {
  try {
    gunzipped(bytes, 100);
  } catch (const Error& error) {
    return error.kind;
  }
  return ErrorKind::internal;
}

TEST(GzipDecompressor, GivesBackWhatWasPackedHoweverItComes) {
  const std::string text = long_text();
  const std::string packed = gzipped(text);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{65536}, packed.size()}) {
    EXPECT_EQ(gunzipped(packed, piece), text) << "in pieces of " << piece;
  }
  const std::string of_nothing("\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0", 20);
  EXPECT_EQ(gunzipped(of_nothing, 5), "");
}

TEST(GzipDecompressor, RefusesWhatIsCutOffDamagedOrNone) {
  const std::string packed = gzipped(long_text());
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{9}, packed.size() / 2, packed.size() - 8, packed.size() - 1}) {
    EXPECT_EQ(kind_of_gunzipping(packed.substr(0, size)), ErrorKind::invalid) << size;
  }
  for (const std::size_t at : {std::size_t{0}, packed.size() / 2, packed.size() - 6, packed.size() - 2}) {
    std::string damaged = packed;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    EXPECT_EQ(kind_of_gunzipping(damaged), ErrorKind::invalid) << at;
  }
  EXPECT_EQ(kind_of_gunzipping(packed + "more"), ErrorKind::invalid);
  EXPECT_EQ(kind_of_gunzipping("SELECT 1;\n"), ErrorKind::invalid);
}

TEST(GzipDecompressor, LetsTheErrorOfWhatTakesItThrough) {
  FunctionSink full([](std::string_view) { throw Error(ErrorKind::no_space, "full"); });
  GzipDecompressor decompressor(full);
  EXPECT_THROW(
      {
        try {
          decompressor.write(gzipped(long_text()));
          decompressor.finish();
        } catch (const Error& error) {
          EXPECT_EQ(error.kind, ErrorKind::no_space);
          throw;
        }
      },
      Error);
}

}  // namespace
}  // namespace deployer
