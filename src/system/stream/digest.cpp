#include <sodium.h>

#include <array>
#include <stdexcept>

#include "system/stream/stream.h"

namespace deployer {

namespace {

/// libsodium chooses its code for this processor once; any thread may come first.
void digest_library_ready() {
  static const bool ready = sodium_init() >= 0;
  if (!ready) throw std::runtime_error("libsodium cannot be initialised");
}

const unsigned char* digest_bytes(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::uint64_t digest_little_endian(const unsigned char* bytes) {
  std::uint64_t number = 0;
  for (int i = 7; i >= 0; --i) number = number << 8 | bytes[i];
  return number;
}

}  // namespace

struct Sha256::State {
  crypto_hash_sha256_state hash;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  digest_library_ready();
  crypto_hash_sha256_init(&state_->hash);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  crypto_hash_sha256_update(&state_->hash, digest_bytes(bytes), bytes.size());
}

std::string Sha256::hex() {
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest;
  crypto_hash_sha256_final(&state_->hash, digest.data());
  std::array<char, 2 * crypto_hash_sha256_BYTES + 1> text;
  return sodium_bin2hex(text.data(), text.size(), digest.data(), digest.size());
}

std::string sha256_hex(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.hex();
}

Blake2b128 blake2b128(std::string_view bytes) {
  digest_library_ready();
  std::array<unsigned char, 16> digest;
  static_assert(digest.size() >= crypto_generichash_blake2b_BYTES_MIN);
  crypto_generichash_blake2b(digest.data(), digest.size(), digest_bytes(bytes), bytes.size(), nullptr, 0);
  return {digest_little_endian(digest.data()), digest_little_endian(digest.data() + 8)};
}

}  // namespace deployer
