#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "migrations/graph.h"

namespace deployer {
class Files;
}

namespace deployer::migrations {

struct CreateRequest {
  std::filesystem::path folder;
  std::string message;
  std::string file_template = "%(rev)s_%(slug)s";  ///< tokens: rev slug epoch year month day hour minute second
  std::size_t slug_length = 40;
  std::string rev_id;   ///< empty: twelve random hex digits
  std::string head;     ///< what it revises; empty: the one head
  bool splice = false;  ///< `head` need not be a head
  std::string branch_label;
  Ids depends_on;
  std::chrono::system_clock::time_point now;
};

struct Created {
  std::string revision;
  std::filesystem::path file;
  Ids down_revisions;
};

/// Writes a new revision file, from `template.sql` of the folder where there is one (`%(revision)s %(revises)s
/// %(created)s
/// %(message)s` and the lines of labels and dependencies are filled in). Never overwrites. Error `invalid` for a head
/// that is none, several heads, an id that is taken.
Created create(const Graph& graph, const CreateRequest& request, const Ids& current, Files& files);

}  // namespace deployer::migrations
