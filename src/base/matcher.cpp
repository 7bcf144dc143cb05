#include "base/matcher.h"

namespace deployer {

void Matcher::add(std::string_view word) {
  State at = 0;
  for (const char letter : word) {
    const auto byte = static_cast<unsigned char>(letter);
    State next = at == 0 ? first_[byte] : child(at, byte);
    if (next == 0) {
      next = static_cast<State>(nodes_.size());
      Node fresh;
      fresh.byte = byte;
      fresh.depth = node(at).depth + 1;
      if (at == 0) {
        first_[byte] = next;
      } else {
        fresh.sibling = node(at).child;
        node(at).child = next;
      }
      nodes_.push_back(fresh);
    }
    at = next;
  }
  if (at != 0) node(at).longest = node(at).depth;
}

void Matcher::finish() {
  // Breadth first, so that what a node fails to is complete before the node is.
  std::vector<State> order;
  order.reserve(nodes_.size());
  for (const State state : first_) {
    if (state != 0) order.push_back(state);
  }
  for (std::size_t i = 0; i < order.size(); ++i) {
    const State at = order[i];
    Node& current = node(at);
    if (current.longest == 0) current.longest = node(current.fail).longest;
    current.open = current.child != 0 ? current.depth : node(current.fail).open;
    for (State next = current.child; next != 0; next = node(next).sibling) {
      node(next).fail = step(current.fail, node(next).byte);
      order.push_back(next);
    }
  }
}

}  // namespace deployer
