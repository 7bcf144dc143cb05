#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/deadline.h"
#include "base/diagnostic.h"
#include "base/yaml.h"

namespace deployer {

class Files;
class Processes;
class Redactor;

/// The secrets of a document, by name. A name whose value was not read (a check of the document alone, or a source that
/// is gone, which has its diagnostic) maps to nothing.
using Secrets = std::map<std::string, std::optional<std::string>>;

struct SecretSources {
  std::filesystem::path project;
  std::map<std::string, std::string> environment;
  bool read = true;  ///< false: only the names are checked
  Files& files;
  Processes& processes;
  Redactor& redactor;
};

/// Reads `secrets:`: a name of the environment, `{name, file}` (one final line end is taken off) or `{name, command}`
/// (its standard output, likewise). Each value is known to the redactor before it is returned. What cannot be read is a
/// diagnostic of rule "secret"; a value under 4 bytes is a warning.
Secrets read_secrets(const YamlNode* node, const SecretSources& sources, const Deadline& deadline,
                     Diagnostics& diagnostics);

/// Reads a dotenv file: `NAME=value`, `export NAME=value`, quotes ' and " (with \n \t \" \\ in the latter), comments.
/// All values are secret. A file that others than its owner can read or write is an error: `chmod 600 FILE`.
std::map<std::string, std::string> read_env_file(const std::filesystem::path& file, const Location& at,
                                                 const SecretSources& sources, Diagnostics& diagnostics);

}  // namespace deployer
