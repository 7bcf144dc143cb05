#include <charconv>
#include <optional>

#include "actions/release/source.h"
#include "base/error.h"
#include "base/text.h"
#include "system/files.h"
#include "system/net.h"

namespace deployer {

namespace {

constexpr std::size_t sha1_digits = 40;
constexpr std::size_t sha256_digits = 64;

/// Answers git's question for user and password from the environment, where only the user's own processes see them; on
/// a command line or in the mirror everybody else would.
constexpr const char* credential_helper =
    R"(credential.helper=!f() { test "$1" != get || printf 'username=%s\npassword=%s\n' "$DEPLOYER_GIT_USER" "$DEPLOYER_GIT_PASSWORD"; }; f)";

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(&text[i + 1], &text[i + 3], byte, 16).ptr == &text[i + 3]) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// A URL of http or https with its user and password beside it.
struct GitAddress {
  std::string url;
  std::optional<std::string> user;
  std::string password;
};

GitAddress git_address(const std::string& url) {
  GitAddress address{url, std::nullopt, {}};
  if (!url.starts_with("https://") && !url.starts_with("http://")) return address;
  const std::size_t host = url.find("://") + 3;
  const std::size_t end = url.find_first_of("/?#", host);
  const std::size_t at = url.substr(0, end).rfind('@');
  if (at == std::string::npos || at < host) return address;
  const std::string login = url.substr(host, at - host);
  const std::size_t colon = login.find(':');
  address.url = url.substr(0, host) + url.substr(at + 1);
  address.user = percent_decoded(login.substr(0, colon));
  if (colon != std::string::npos) address.password = percent_decoded(std::string_view(login).substr(colon + 1));
  return address;
}

/// `host:path`, and all with a scheme; what else there is, is a path of this machine.
bool is_remote(const std::string& url) {
  const std::size_t colon = url.find(':');
  return colon != std::string::npos && colon < url.find('/');
}

/// git as it is called for one mirror.
class GitMirror {
 public:
  GitMirror(ActionContext& context, const GitSource& source, std::filesystem::path folder)
      : context_(context), address_(git_address(source.url)), source_(source), folder_(std::move(folder)) {}

  bool is_there() const {
    const CommandResult answer = git({"rev-parse", "--is-bare-repository"}, true);
    return answer.ok && trim(answer.out) == "true";
  }

  /// Reads every object: only asked when something went wrong.
  bool is_whole() const { return git({"fsck", "--no-dangling", "--no-progress"}, true).ok; }

  void make() const { must({"init", "--quiet", "--bare", "--template="}, "git init"); }

  /// What a git that was killed holds still; nobody else works in the mirror.
  void remove_locks() const {
    std::vector<std::filesystem::path> locks;
    std::error_code failure;
    std::filesystem::recursive_directory_iterator entries(folder_, failure);
    for (; !failure && entries != std::filesystem::recursive_directory_iterator(); entries.increment(failure)) {
      if (entries->path().extension() == ".lock") locks.push_back(entries->path());
      if (entries->path().filename() == "objects") entries.disable_recursion_pending();
    }
    if (failure) throw io_error(failure.value(), "cannot look through " + folder_.string());
    for (const std::filesystem::path& lock : locks) context_.files().remove(lock);
  }

  void fetch() const {
    std::vector<std::string> words = {"fetch",
                                      "--quiet",
                                      "--prune",
                                      "--no-tags",
                                      "--no-write-fetch-head",
                                      "--no-recurse-submodules",
                                      address_.url,
                                      "+refs/heads/*:refs/heads/*",
                                      "+refs/tags/*:refs/tags/*"};
    if (source_.ref == "HEAD") words.emplace_back("+HEAD:refs/deployer/HEAD");
    const bool is_other = source_.ref.starts_with("refs/") && !source_.ref.starts_with("refs/heads/") &&
                          !source_.ref.starts_with("refs/tags/");
    if (is_other) words.push_back("+" + source_.ref + ":" + source_.ref);
    must(words, "git fetch of " + source_.name());
  }

  std::string commit() const {
    const std::string ref = source_.ref == "HEAD" ? "refs/deployer/HEAD" : source_.ref;
    const CommandResult found = git({"rev-parse", "--verify", "--quiet", "--end-of-options", ref + "^{commit}"}, true);
    const std::string commit(trim(found.out));
    if (found.ok && (commit.size() == sha1_digits || commit.size() == sha256_digits)) return commit;
    throw Error(ErrorKind::failed, "'" + source_.ref + "' is no branch, tag or commit of " + source_.name());
  }

  /// Error where the mirror lacks a file of the commit.
  void check(const std::string& commit) const {
    must({"rev-list", "--objects", "--no-walk", "--quiet", commit}, "reading commit " + commit);
  }

 private:
  CommandResult git(const std::vector<std::string>& words, bool quiet) const {
    CommandOptions options;
    options.quiet = quiet;
    options.env = {{"GIT_TERMINAL_PROMPT", "0"}, {"GIT_DIR", folder_.string()}};
    if (context_.environment().count("GIT_SSH_COMMAND") == 0) options.env["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes";
    // What git does in the background would be ended with the run.
    std::vector<std::string> argv = {"git", "-c", "gc.autoDetach=false", "-c", "maintenance.autoDetach=false"};
    if (address_.user) {
      argv.insert(argv.end(), {"-c", "credential.helper=", "-c", credential_helper});
      options.env["DEPLOYER_GIT_USER"] = *address_.user;
      options.env["DEPLOYER_GIT_PASSWORD"] = address_.password;
    }
    argv.insert(argv.end(), words.begin(), words.end());
    return context_.command({"", argv, {}}, options);
  }

  void must(const std::vector<std::string>& words, const std::string& what) const {
    const CommandResult result = git(words, false);
    if (result.ok) return;
    throw Error(ErrorKind::failed, what + " " + result.text + (result.err_tail.empty() ? "" : ": " + result.err_tail));
  }

  ActionContext& context_;
  GitAddress address_;
  const GitSource& source_;
  std::filesystem::path folder_;
};

std::string fetch_anew(ActionContext& context, const GitSource& source, const std::filesystem::path& folder) {
  std::filesystem::path part = folder;
  part += ".part";
  context.files().remove_folder(part);
  const GitMirror mirror(context, source, part);
  mirror.make();
  mirror.fetch();
  const std::string commit = mirror.commit();
  context.files().remove_folder(folder);
  context.files().rename(part, folder);
  return commit;
}

bool is_about_time(const Error& error) {
  return error.kind == ErrorKind::timed_out || error.kind == ErrorKind::cancelled;
}

/// Whether a mirror is what made git fail; it is told then.
bool is_damaged(ActionContext& context, const GitMirror& mirror, const std::filesystem::path& folder) {
  if (mirror.is_whole()) return false;
  context.warn("the mirror " + folder.string() + " is damaged, and is fetched anew");
  return true;
}

}  // namespace

GitSource GitSource::from(const ActionContext& context, const std::string& url, const std::string& ref) {
  if (url.starts_with("-") || url.empty())
    throw Error(ErrorKind::invalid, "'" + url + "' is no address of a repository");
  if (ref.starts_with("-") || ref.empty()) throw Error(ErrorKind::invalid, "'" + ref + "' is no name of a commit");
  return {is_remote(url) ? url : context.path(url).string(), ref};
}

std::string GitSource::name() const {
  return url.find("://") == std::string::npos ? url : url_for_people(git_address(url).url);
}

std::string GitSource::fetch(ActionContext& context, const std::filesystem::path& folder) const {
  const GitMirror mirror(context, *this, folder);
  if (!context.files().exists(folder) || !mirror.is_there()) return fetch_anew(context, *this, folder);
  try {
    mirror.remove_locks();
    mirror.fetch();
    const std::string commit = mirror.commit();
    mirror.check(commit);
    return commit;
  } catch (const Error& error) {
    if (is_about_time(error) || !is_damaged(context, mirror, folder)) throw;
    return fetch_anew(context, *this, folder);
  }
}

void GitSource::write(ActionContext& context, const std::filesystem::path& folder, const std::string& commit,
                      const std::filesystem::path& target) const {
  constexpr const char* export_commit =
      "git -c tar.umask=0022 --git-dir=\"$1\" archive --format=tar \"$2\" | "
      "tar --extract --file=- --directory=\"$3\" --no-same-owner --same-permissions";
  const CommandLine line{"",
                         {"bash", "--noprofile", "--norc", "-o", "pipefail", "-c", export_commit, "bash",
                          folder.string(), commit, target.string()},
                         {}};
  context.must(line, "writing commit " + commit.substr(0, 7));
  if (context.files().exists(target / ".gitmodules")) {
    context.warn("the submodules of " + name() + " are not part of the release");
  }
}

}  // namespace deployer
