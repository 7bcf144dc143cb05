#pragma once

#include <filesystem>
#include <string>

#include "engine/action.h"

namespace deployer {

// A link that a step switches by one rename, from what it pointed to before to what the run has built. Its undo record
// is `{link, before, after}`: the texts of the link, null for none. Doing it again after a crash changes nothing, and a
// link that somebody else has moved meanwhile is left alone.

/// The text of a link, or null if it is none.
Json link_text(const Files& files, const std::filesystem::path& link);

/// Error `invalid`, with the way to move it, where a real file or folder has the link's name.
void refuse_real_folder(const ActionContext& context, const std::filesystem::path& link);

/// What the switch to `after` has to remember.
Json switch_record(const Files& files, const std::filesystem::path& link, const std::string& after);

/// What the link says, after a crash in the midst of the switch.
Probe probe_switch(const Files& files, const Json& record);

/// Takes the switch back, and gives the words for it. `subject` is what the link points to, as in "environment". Error
/// `left_behind` if the link is neither as before nor as the run left it.
std::string switch_back(Files& files, const Json& record, const std::string& subject);

/// What `verify_link` compares with: `{link, text}`.
Json link_baseline(const Files& files, const std::filesystem::path& link);
Verification verify_link(const Files& files, const Json& baseline);

/// The bytes of all files of the file system that holds `folder` are on disk when it returns (syncfs(2)): for what
/// other programs have written. Errors `io` and `no_space`.
void sync_file_system(const std::filesystem::path& folder);

}  // namespace deployer
