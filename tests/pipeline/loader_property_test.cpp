// Whatever bytes a document holds: the loader answers with a pipeline or an Error that names places.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "pipeline/project.h"

namespace deployer {
namespace {

const std::string good_document = R"(name: &n production
vars: {app: /srv/app, keep: 30d}
env: {LEVEL: "${{ vars.app }}"}
secrets: [TOKEN, {name: FILE, file: gone}]
database: {url: "mysql://u:${{ secrets.TOKEN }}@h/x"}
timeout: 30m
hooks: {on_failure: [a, b], before-run: {command: c, timeout: 1s}}
steps:
  - {uses: restart, with: {systemd: [*n]}, retry: {attempts: 5, delay: 1s, factor: 2}}
  - id: warm
    run: |
      echo one
      echo two
    rollback: none
    shell: bash -e
)";

RC_GTEST_PROP(LoaderProperty, AnswersAnyDocument, ()) {
  std::string text = good_document;
  const int changes = *rc::gen::inRange(1, 6);
  for (int i = 0; i < changes; ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, text.size());
    const auto length = *rc::gen::inRange<std::size_t>(0, 12);
    const auto fresh = *rc::gen::container<std::string>(
        rc::gen::elementOf(std::string("{}[]:,&*!|>'\"%@`#-?${}\n\t ~abc01\\\xC3\xA9\xFF")));
    text.replace(at, length, fresh.substr(0, 8));
  }
  test::Project project;
  project.request.read_secrets = false;
  try {
    const Pipeline pipeline = project.load(text);
    RC_ASSERT(!pipeline.steps.empty());
    RC_ASSERT(!has_errors(pipeline.warnings));
  } catch (const Error& error) {
    RC_ASSERT(error.kind == ErrorKind::invalid);
    RC_ASSERT(has_errors(error.diagnostics));
    for (const Diagnostic& diagnostic : error.diagnostics) {
      RC_ASSERT(!diagnostic.message.empty());
      RC_ASSERT(diagnostic.at.file == project.request.file.string());
    }
  }
}

}  // namespace
}  // namespace deployer
