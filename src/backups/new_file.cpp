#include "backups/new_file.h"

#include <utility>

#include "backups/marks.h"
#include "base/error.h"
#include "system/file_lock.h"
#include "system/files.h"

namespace deployer::backups {

namespace fs = std::filesystem;

struct NewFile::State {
  fs::path file;
  fs::path manifest;
  Files& files;
  FileLock lock;
  std::optional<Files::Publication> out;
  bool kept = false;

  fs::path mark() const { return with_suffix(file, writing_suffix); }
};

std::optional<NewFile> NewFile::claim(const fs::path& file, const fs::path& manifest, Files& files) {
  // Looked at before the mark is set: a mark beside somebody else's file would give it away to `remove_leftovers`.
  if (files.exists(file) || files.exists(manifest)) return std::nullopt;
  const fs::path mark = with_suffix(file, writing_suffix);
  if (!files.exists(file.parent_path())) {
    throw Error(ErrorKind::not_found, "there is no folder " + file.parent_path().string());
  }
  std::optional<FileLock> lock = FileLock::try_take(mark);
  // It is gone where somebody took it for a leftover between its making and its locking.
  if (!lock || !files.exists(mark)) return std::nullopt;
  std::unique_ptr<State> state(new State{file, manifest, files, std::move(*lock), std::nullopt});
  try {
    files.sync_folder(file.parent_path());
    if (std::optional<Files::Publication> out = files.begin_new(file, 0600)) state->out.emplace(std::move(*out));
  } catch (const Error&) {
    files.remove(mark);
    throw;
  }
  if (state->out) return NewFile(std::move(state));
  files.remove(mark);
  return std::nullopt;
}

NewFile::NewFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
NewFile::NewFile(NewFile&&) noexcept = default;

NewFile::~NewFile() {
  if (!state_) return;
  try {
    state_->out.reset();
    if (!state_->kept) {
      state_->files.remove(state_->manifest);
      state_->files.remove(state_->file);
    }
    remove_copy();
    state_->files.remove(state_->mark());
  } catch (const Error&) {
    // The mark still stands; the error that led here, if any, is the one to tell.
  }
}

fs::path NewFile::copy() const { return with_suffix(state_->file, copy_suffix); }

void NewFile::remove_copy() {
  // A database may have put files of its own beside the copy.
  const fs::path folder = state_->file.parent_path();
  const std::string begin = copy().filename().string();
  for (const std::string& name : state_->files.list(folder)) {
    if (name.starts_with(begin)) state_->files.remove(folder / name);
  }
}

void NewFile::write(std::string_view bytes) { state_->out->write(bytes); }

void NewFile::commit() {
  state_->out->commit();
  state_->out.reset();
}

void NewFile::keep() { state_->kept = true; }

}  // namespace deployer::backups
