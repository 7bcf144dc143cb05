#pragma once

#include <map>
#include <string>

#include "base/error.h"
#include "base/redactor.h"
#include "pipeline/loader.h"
#include "support/folder.h"
#include "system/files.h"
#include "system/process.h"

namespace deployer::test {

/// A project in a folder of its own, with a vocabulary of two actions, `restart` and `migrate`, and one for later,
/// `approve`. Paths under the folder are told without it.
class Project {
 public:
  Project();

  /// The document, written as p.yml and loaded with what stands in the members below.
  Pipeline load(const std::string& text);
  /// What is wrong with it, each diagnostic with its line feed; the kind of the error before it, where there is one.
  std::string complaints(const std::string& text);
  /// Its warnings.
  std::string warnings(const std::string& text);
  Settings settings() const;
  /// A text without the folder's path.
  std::string relative(std::string text) const;

  Folder folder;
  Files files;
  Processes processes;
  Redactor redactor;
  LoadRequest request;
  Vocabulary vocabulary;
};

}  // namespace deployer::test
