#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "database/lexer.h"

namespace deployer::database {

/// A statement of a dump. Its tokens are without comments, blanks and the signs of `/*! … */`. Everything points into
/// the reader's memory and holds until its next statement.
struct DumpStatement {
  std::string_view text;
  Location at;
  /// All of them; of a statement that changes rows only the first `head_tokens`, since it may have millions.
  std::vector<Token> tokens;
  /// The first name with a qualifier that stands in it, as in "prod.books", with its qualifier; empty if there is none.
  /// Looked for in the whole statement.
  std::string qualified;
  std::string qualifier;
  /// The first of the words that read or write files of the server, if any: OUTFILE, DUMPFILE, LOAD_FILE.
  std::string file_word;
};

/// Cuts a text that comes in pieces into statements, as `split_script` does with a text that is there as a whole. Holds
/// one statement and at most as much again. Errors: `invalid` with the line for what does not end and for commands of
/// the client.
class DumpReader {
 public:
  static constexpr std::size_t head_tokens = 64;

  /// `read` gives the next piece, nothing at the end. A qualifier `own` is none. At least `portion` bytes are read at a
  /// time.
  DumpReader(std::function<std::string()> read, SqlDialect dialect, std::string own, std::size_t portion = 256 * 1024);

  /// Nothing at the end of the text.
  std::optional<DumpStatement> next();
  std::uint64_t bytes() const { return bytes_; }
  /// At the end: whether the last line says that the dump is whole, and whether the program that wrote it says so.
  bool says_completed() const { return completed_; }
  bool should_say_completed() const { return of_dump_program_; }

 private:
  enum class Outcome { statement, more, end };
  Outcome scan(DumpStatement& statement);
  void fill();
  void note_comment(std::string_view text);
  [[noreturn]] void fail(const Location& at, const std::string& what) const;

  std::function<std::string()> read_;
  SqlDialect dialect_;
  std::string own_;
  std::size_t portion_;
  std::string buffer_;
  std::size_t at_ = 0;  ///< what stands before it in the buffer has been given out
  int line_ = 1;
  bool at_end_ = false;
  std::string delimiter_ = ";";
  std::uint64_t bytes_ = 0;
  bool completed_ = false;
  bool of_dump_program_ = false;
};

}  // namespace deployer::database
