#include <Poco/Checksum.h>
#include <Poco/Exception.h>
#include <Poco/InflatingStream.h>

#include <algorithm>
#include <ostream>
#include <streambuf>
#include <string>

#include "base/error.h"
#include "system/stream/stream.h"

namespace deployer {

namespace {

constexpr std::size_t gzip_trailer = 8;  ///< CRC-32 and the size modulo 2^32, little-endian

[[noreturn]] void refuse_gzip(const char* why) { throw Error(ErrorKind::invalid, std::string("it ") + why); }

}  // namespace

/// What was unpacked goes on to the next sink and is counted. Poco looks at neither the checksum nor the end.
struct GzipDecompressor::State : std::streambuf {
  explicit State(ByteSink& sink) : next(sink), out(this), inflater(out, Poco::InflatingStreamBuf::STREAM_GZIP) {}

  std::streamsize xsputn(const char* bytes, std::streamsize count) override {
    next.write({bytes, static_cast<std::size_t>(count)});
    checksum.update(bytes, static_cast<unsigned>(count));
    unpacked += static_cast<std::uint64_t>(count);
    return count;
  }
  int_type overflow(int_type letter) override {
    const char byte = traits_type::to_char_type(letter);
    xsputn(&byte, 1);
    return letter;
  }

  std::uint32_t trailer_number(std::size_t at) const {
    std::uint32_t number = 0;
    for (std::size_t i = 4; i > 0; --i) number = number << 8U | static_cast<unsigned char>(last[at + i - 1]);
    return number;
  }

  ByteSink& next;
  Poco::Checksum checksum{Poco::Checksum::TYPE_CRC32};
  std::uint64_t unpacked = 0;
  std::string last;  ///< of the input, at most its trailer
  std::ostream out;
  Poco::InflatingOutputStream inflater;
};

GzipDecompressor::GzipDecompressor(ByteSink& next) : state_(std::make_unique<State>(next)) {
  state_->out.exceptions(std::ios::badbit);
  state_->inflater.exceptions(std::ios::badbit);
}

GzipDecompressor::~GzipDecompressor() = default;

void GzipDecompressor::write(std::string_view bytes) {
  state_->last.append(bytes.substr(bytes.size() - std::min(bytes.size(), gzip_trailer)));
  if (state_->last.size() > gzip_trailer) state_->last.erase(0, state_->last.size() - gzip_trailer);
  try {
    state_->inflater.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    state_->inflater.flush();
  } catch (const Poco::Exception&) {
    refuse_gzip("is damaged, or no gzip file");
  } catch (const std::ios::failure&) {
    refuse_gzip("is damaged, or no gzip file");
  }
}

void GzipDecompressor::finish() {
  try {
    state_->inflater.close();
  } catch (const Poco::Exception&) {
    refuse_gzip("ends in the middle of a gzip file");
  } catch (const std::ios::failure&) {
    refuse_gzip("ends in the middle of a gzip file");
  }
  const bool whole = state_->last.size() == gzip_trailer && state_->trailer_number(0) == state_->checksum.checksum() &&
                     state_->trailer_number(4) == static_cast<std::uint32_t>(state_->unpacked);
  if (!whole) refuse_gzip("ends in the middle of a gzip file, or is damaged");
  state_->next.finish();
}

}  // namespace deployer
