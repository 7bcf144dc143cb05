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
  /// Tokens as Alembic has them: rev slug epoch year month day hour minute second, `%(month).2d` too.
  std::string file_template = "%(rev)s_%(slug)s";
  std::size_t slug_length = 40;
  std::string rev_id;   ///< empty: twelve random hex digits
  std::string head;     ///< what it revises, comma-separated: a merge; empty: the one head; `base`: nothing
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

/// Writes a new revision file, from `template.sql` of the folder where there is one (`%(revision)s`, `%(revises)s`,
/// `%(created)s` and `%(message)s`, and the lines `%(branch_labels)s` and `%(depends_on)s`, are filled in). Never
/// overwrites, whoever else writes at the same moment. Error `invalid` for a head that is none, several heads, an id or
/// label that is taken, a template that does not give a file that can be read back.
Created create(const Graph& graph, const CreateRequest& request, const Ids& current, Files& files);

}  // namespace deployer::migrations
