#pragma once

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/mark.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/diagnostic.h"
#include "base/source_lines.h"
#include "base/yaml.h"

namespace deployer {

/// Makes the tree of one document from yaml-cpp's events and complains about all that is not plain YAML. What goes over
/// a limit is thrown as a Diagnostic: nothing more of such a document is worth reading.
class YamlBuilder : public YAML::EventHandler {
 public:
  YamlBuilder(const SourceLines& lines, std::string file, const YamlLimits& limits, Diagnostics& diagnostics);

  /// The tree as far as it was read.
  YamlNode take();

  void OnDocumentStart(const YAML::Mark& mark) override;
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override;
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override;
  void OnMapEnd() override { close(); }
  void OnAnchor(const YAML::Mark& mark, const std::string& name) override;

 private:
  /// A collection that is being read.
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    bool is_key = false;      ///< it stands where a key must
    bool has_key = false;     ///< of a mapping: the key is read, its value comes next
    bool drop_value = false;  ///< the key was refused, and so is its value
    std::string key;
    Location key_at;
    /// Of a mapping: the keys so far with `-` as `_`, each as it was written and in which line.
    std::map<std::string, std::pair<std::string, int>> seen;
  };
  /// What an alias may stand for, with what it costs.
  struct Anchored {
    YamlNode node;
    std::size_t weight = 0;
    std::size_t depth = 0;
    bool complete = false;
  };

  Location place(const YAML::Mark& mark) const;
  void complain(const Location& at, const char* rule, std::string message, std::string hint = {});
  void refuse_tag(const Location& at, const std::string& tag);
  void check_quote_ends(const Location& at);
  bool expects_key() const;
  void begin(YamlNode node, const std::string& tag, YAML::anchor_t anchor);
  void close();
  /// Puts a complete node where it belongs.
  void put(YamlNode node);
  void put_key(const YamlNode& node);
  void weigh(const Location& at, std::size_t weight, std::size_t depth);
  void remember(YAML::anchor_t anchor, const YamlNode& node);

  const SourceLines& lines_;
  std::string file_;
  YamlLimits limits_;
  Diagnostics& diagnostics_;
  YamlNode root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  std::size_t nodes_ = 0;
};

}  // namespace deployer
