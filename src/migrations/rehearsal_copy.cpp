#include "migrations/rehearsal_copy.h"

#include <fmt/format.h>

#include <array>
#include <fstream>
#include <utility>

#include "base/error.h"
#include "base/units.h"
#include "database/content.h"
#include "database/dialect.h"
#include "database/dump.h"
#include "database/server.h"
#include "system/files.h"
#include "system/stream/stream.h"

namespace deployer::migrations {

namespace {

namespace fs = std::filesystem;

constexpr int fast_compression = 1;
constexpr std::size_t dump_piece = 64 * 1024;

void copy_history(database::Session& into, const History& history, const std::map<std::string, Applied>& rows,
                  const Deadline& deadline) {
  if (rows.empty()) return;
  history.create(into, deadline);
  for (const auto& [id, row] : rows) history.insert(into, row, deadline);
}

class FileCopy : public RehearsalCopy {
 public:
  FileCopy(fs::path file, std::unique_ptr<database::Session> session)
      : file_(std::move(file)), session_(std::move(session)) {}
  ~FileCopy() override {
    session_.reset();
    std::error_code ignored;
    for (const char* suffix : {"", "-journal", "-wal", "-shm"}) fs::remove(file_.string() + suffix, ignored);
  }
  database::Session& session() override { return *session_; }

 private:
  fs::path file_;
  std::unique_ptr<database::Session> session_;
};

class FileSource : public RehearsalSource {
 public:
  FileSource(database::Session& live, const History& history, fs::path folder, std::string incomplete)
      : live_(live), history_(history), folder_(std::move(folder)) {
    incomplete_ = std::move(incomplete);
  }

  std::unique_ptr<RehearsalCopy> copy(const Deadline& deadline) override {
    database::Url url = live_.url();
    const fs::path file = folder_ / fmt::format("copy-{}.db", ++made_);
    url.file = file.string();
    if (incomplete_.empty()) {
      live_.dialect().copy_to_file(live_, file, deadline);
      return std::make_unique<FileCopy>(file, database::open(url, folder_, database::Access::existing, deadline));
    }
    auto copy = std::make_unique<FileCopy>(file, database::open(url, folder_, database::Access::create, deadline));
    database::copy_definitions(live_, copy->session(), deadline);
    copy_history(copy->session(), history_, history_.read(live_, deadline), deadline);
    return copy;
  }

 private:
  database::Session& live_;
  const History& history_;
  fs::path folder_;
  int made_ = 0;
};

/// A compressed dump, read piece by piece.
class CompressedDump {
 public:
  explicit CompressedDump(const fs::path& file) : file_(file), in_(file, std::ios::binary) {}

  std::string next() {
    while (plain_.empty() && !ended_) {
      std::array<char, dump_piece> piece{};
      in_.read(piece.data(), piece.size());
      if (in_.bad() || (in_.fail() && !in_.eof())) throw Error(ErrorKind::io, "cannot read " + file_.string());
      decompressor_.write({piece.data(), static_cast<std::size_t>(in_.gcount())});
      if (in_.eof()) {
        decompressor_.finish();
        ended_ = true;
      }
    }
    return std::exchange(plain_, {});
  }

 private:
  fs::path file_;
  std::ifstream in_;
  std::string plain_;
  FunctionSink keep_{[this](std::string_view bytes) { plain_ += bytes; }};
  ZstdDecompressor decompressor_{keep_};
  bool ended_ = false;
};

class SandboxCopy : public RehearsalCopy {
 public:
  SandboxCopy(std::unique_ptr<database::Sandbox> sandbox, const Deadline& deadline)
      : sandbox_(std::move(sandbox)), session_(sandbox_->open(deadline)) {}
  database::Session& session() override { return *session_; }

 private:
  std::unique_ptr<database::Sandbox> sandbox_;
  std::unique_ptr<database::Session> session_;
};

class ServerSource : public RehearsalSource {
 public:
  ServerSource(database::Session& live, const History& history, fs::path folder, const Machine& machine,
               std::string incomplete, const Deadline& deadline)
      : live_(live), history_(history), folder_(std::move(folder)), machine_(machine) {
    incomplete_ = std::move(incomplete);
    applied_ = history_.read(live_, deadline);
    take_dump(deadline);
  }

  std::unique_ptr<RehearsalCopy> copy(const Deadline& deadline) override {
    auto copy = std::make_unique<SandboxCopy>(database::Sandbox::start(live_, folder_, machine_, deadline), deadline);
    CompressedDump dump(dump_file());
    database::LoadOptions options;
    options.schema = live_.url().name;
    try {
      database::load_dump(
          copy->session(), [&] { return dump.next(); }, options, deadline);
      copy_history(copy->session(), history_, applied_, deadline);
    } catch (const Error& error) {
      const bool passed_on =
          error.kind == ErrorKind::cancelled || error.kind == ErrorKind::timed_out || error.kind == ErrorKind::no_space;
      throw Error(passed_on ? error.kind : ErrorKind::failed,
                  "the database cannot be copied into the sandbox: " + error.summary(), error.hint);
    }
    return copy;
  }

 private:
  fs::path dump_file() const { return folder_ / "dump.sql.zst"; }

  void take_dump(const Deadline& deadline) {
    Files::Publication file = machine_.files.begin(dump_file(), 0600);
    FunctionSink into_file([&](std::string_view bytes) { file.write(bytes); });
    ZstdCompressor compressor(into_file, fast_compression);
    database::DumpOptions options;
    options.rows = incomplete_.empty();
    options.ignore = {history_.table()};
    const database::Dumped dumped = live_.dialect().server()->dump(
        live_, options, machine_, deadline, [&](std::string_view text) { compressor.write(text); });
    compressor.finish();
    file.commit();
    if (incomplete_.empty() && !dumped.unfaithful.empty()) incomplete_ = dumped.unfaithful.front();
  }

  database::Session& live_;
  const History& history_;
  fs::path folder_;
  Machine machine_;
  std::map<std::string, Applied> applied_;
};

}  // namespace

std::unique_ptr<RehearsalSource> RehearsalSource::of(database::Session& live, const History& history,
                                                     const fs::path& folder, const Machine& machine,
                                                     std::uint64_t row_limit, const Deadline& deadline) {
  const std::uint64_t bytes = database::content_bytes(live, deadline);
  std::string incomplete;
  if (bytes > row_limit) {
    incomplete = fmt::format("the database has {}, more than migrations.rehearse_limit ({}), so no rows were there",
                             human_size(bytes), human_size(row_limit));
  }
  if (live.dialect().server() != nullptr) {
    return std::make_unique<ServerSource>(live, history, folder, machine, std::move(incomplete), deadline);
  }
  return std::make_unique<FileSource>(live, history, folder, std::move(incomplete));
}

}  // namespace deployer::migrations
