#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace deployer {

/// Finds many words at once in one pass (Aho and Corasick, 1975). Words are added first, then `finish` is called once;
/// after that the object is only read, from any number of threads. Memory is linear in the length of all words.
class Matcher {
 public:
  /// Where a pass stands: the longest end of the text so far that begins a word. 0 at the start.
  using State = std::int32_t;

  void add(std::string_view word);
  void finish();

  State step(State state, unsigned char byte) const {
    while (state != 0) {
      const State next = child(state, byte);
      if (next != 0) return next;
      state = nodes_[static_cast<std::size_t>(state)].fail;
    }
    return first_[byte];
  }
  /// The length of the longest word that ends here, 0 if none does.
  std::uint32_t match(State state) const { return nodes_[static_cast<std::size_t>(state)].longest; }
  /// How many bytes up to here may still become a longer match: less than the longest word.
  std::uint32_t open(State state) const { return nodes_[static_cast<std::size_t>(state)].open; }
  bool starts_with(unsigned char byte) const { return first_[byte] != 0; }

 private:
  struct Node {
    State child = 0;
    State sibling = 0;
    State fail = 0;
    std::uint32_t depth = 0;
    std::uint32_t longest = 0;
    std::uint32_t open = 0;
    unsigned char byte = 0;
  };

  State child(State state, unsigned char byte) const {
    State next = nodes_[static_cast<std::size_t>(state)].child;
    while (next != 0 && nodes_[static_cast<std::size_t>(next)].byte != byte) {
      next = nodes_[static_cast<std::size_t>(next)].sibling;
    }
    return next;
  }
  Node& node(State state) { return nodes_[static_cast<std::size_t>(state)]; }

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::array<State, 256> first_{};  // the root's children
};

}  // namespace deployer
