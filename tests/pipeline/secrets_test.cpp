#include "pipeline/secrets.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipeline/project.h"
#include "pipeline/url_password.h"

namespace deployer {
namespace {

using test::Project;

const std::string tail = "steps: [{run: 'true', env: {S: \"${{ secrets.S }}\"}}]\n";

TEST(Secrets, ComeFromTheEnvironmentAFileOrACommand) {
  Project project;
  project.request.environment["S"] = "from-environment";
  project.folder.write("secret.txt", "from-file\n\n");
  EXPECT_EQ(project.load("secrets: [S]\n" + tail).steps[0].env.at("S"), "from-environment");
  EXPECT_EQ(project.load("secrets: [{name: S, file: secret.txt}]\n" + tail).steps[0].env.at("S"), "from-file\n");
  EXPECT_EQ(project.load("secrets: [{name: S, command: echo from-command}]\n" + tail).steps[0].env.at("S"),
            "from-command");
  EXPECT_EQ(project.load("secrets: [{name: S, command: [printf, '%s', from-argv]}]\n" + tail).steps[0].env.at("S"),
            "from-argv");
  EXPECT_EQ(project.redactor.clean("from-environment from-file from-command from-argv"), "*** *** *** ***");
}

TEST(Secrets, ThatCannotBeReadAreEachNamed) {
  Project project;
  EXPECT_EQ(
      project.complaints("secrets:\n  - A\n  - {name: B, file: gone.txt}\n"
                         "  - {name: C, command: 'echo no such vault >&2; exit 3'}\n  - {name: D, command: [/none]}\n"
                         "steps: [{run: 'true', env: {S: \"${{ secrets.A }}\"}}]\n"),
      "secret\n"
      "p.yml:2:5: error: the secret 'A' is not in the environment\n      - A\n        ^\n"
      "    hint: export A=…, or give {name: A, file: PATH}\n"
      "p.yml:3:5: error: the secret 'B' cannot be read: cannot open gone.txt: No such file or directory\n"
      "      - {name: B, file: gone.txt}\n        ^\n"
      "p.yml:4:5: error: the command of the secret 'C' exited with status 3: no such vault\n"
      "      - {name: C, command: 'echo no such vault >&2; exit 3'}\n        ^\n"
      "p.yml:5:5: error: the command of the secret 'D' could not be started: /none: No such file or directory\n"
      "      - {name: D, command: [/none]}\n        ^\n");
}

TEST(Secrets, ThatAreEmptyInTheEnvironmentAreNotThere) {
  Project project;
  project.request.environment["S"] = "";
  EXPECT_EQ(project.complaints("secrets: [S]\n" + tail).substr(0, 67),
            "secret\np.yml:1:11: error: the secret 'S' is not in the environment\n");
}

TEST(Secrets, AreNotReadWhereTheDocumentAloneIsChecked) {
  Project project;
  project.request.read_secrets = false;
  const std::string ran = (project.folder / "ran").string();
  const Pipeline pipeline = project.load("secrets: [A, {name: S, command: touch " + ran +
                                         "}]\ndatabase: {url: \"${{ secrets.A }}\"}\n" + tail);
  EXPECT_FALSE(project.files.exists(ran));
  EXPECT_FALSE(pipeline.database.contains("url"));
  EXPECT_EQ(pipeline.steps[0].env.count("S"), 0U);
}

TEST(Secrets, DoNotRunACommandForADocumentThatIsBroken) {
  Project project;
  const std::string ran = (project.folder / "ran").string();
  EXPECT_NE(project.complaints("secrets: [{name: S, command: touch " + ran + "}]\nlock: a\nlock: b\n" + tail), "");
  EXPECT_FALSE(project.files.exists(ran));
}

TEST(Secrets, AreRefusedWhereTheListIsWrong) {
  Project project;
  project.request.environment["A"] = "aaaa";
  EXPECT_EQ(
      project.complaints("secrets: [A, A, 1x, {nam: B}, {name: C, file: a, command: b}, [d]]\nsteps: [{run: a}]\n"),
      "invalid\n"
      "p.yml:1:14: error: the secret 'A' stands in the list twice\n"
      "    secrets: [A, A, 1x, {nam: B}, {name: C, file: a, command: b}, [d]]\n                 ^\n"
      "p.yml:1:17: error: '1x' is no name of a secret\n"
      "    secrets: [A, A, 1x, {nam: B}, {name: C, file: a, command: b}, [d]]\n                    ^\n"
      "    hint: letters, digits and _, as in DATABASE_URL\n"
      "p.yml:1:21: error: the key 'name' is missing in a secret\n"
      "    secrets: [A, A, 1x, {nam: B}, {name: C, file: a, command: b}, [d]]\n                        ^\n"
      "p.yml:1:22: error: unknown key 'nam' in a secret\n"
      "    secrets: [A, A, 1x, {nam: B}, {name: C, file: a, command: b}, [d]]\n                         ^\n"
      "    hint: did you mean 'name'?\n"
      "p.yml:1:31: error: the secret 'C' has both a file and a command\n"
      "    secrets: [A, A, 1x, {nam: B}, {name: C, file: a, command: b}, [d]]\n                                  ^\n"
      "    hint: give one of the two\n"
      "p.yml:1:63: error: a secret must be a mapping, not a list\n"
      "    secrets: [A, A, 1x, {nam: B}, {name: C, file: a, command: b}, [d]]\n" +
          std::string(66, ' ') + "^\n");
  EXPECT_EQ(project.complaints("secrets: {A: x}\nsteps: [{run: a, env: {B: \"${{ secrets.A }}\"}}]\n"),
            "invalid\np.yml:1:10: error: secrets must be a list\n    secrets: {A: x}\n             ^\n"
            "    hint: as in secrets: [DATABASE_URL]\n");
}

TEST(Secrets, UnderFourBytesAreAWarning) {
  Project project;
  project.request.environment["S"] = "123";
  EXPECT_EQ(project.warnings("secrets: [S]\n" + tail),
            "p.yml:1:11: warning[secret]: the secret 'S' is too short to be masked\n    secrets: [S]\n              ^\n"
            "    hint: a secret has at least 4 bytes\n");
}

TEST(Secrets, WithANulByteAreRefused) {
  Project project;
  project.folder.write("secret.txt", std::string("ab\0cd", 5));
  EXPECT_EQ(project.complaints("secrets: [{name: S, file: secret.txt}]\n" + tail),
            "secret\np.yml:1:11: error: the secret 'S' holds a NUL byte: no program can be given it\n"
            "    secrets: [{name: S, file: secret.txt}]\n              ^\n");
}

TEST(Secrets, ThatAreUrlsHaveTheirPasswordsMaskedToo) {
  Project project;
  project.request.environment["S"] = "mysql://app:p%40ssword@db/books";
  project.load("secrets: [S]\n" + tail);
  EXPECT_EQ(project.redactor.clean("p%40ssword p@ssword"), "*** ***");
}

TEST(EnvFile, GivesSecretsToEveryChildBelowEnv) {
  Project project;
  project.folder.write("prod.env",
                       "\xEF\xBB\xBF# a comment\n\nA=plain value # comment\nexport B = \"two\\nlines \\\"x\\\"\"\r\n"
                       "C='as $it \\n is'   # why\nD=\nE=a#b\nF=x=y\n",
                       0600);
  const Pipeline pipeline =
      project.load("env_file: prod.env\nenv: {F: over, G: \"${{ env.A }}\"}\nsteps: [{run: 'true'}]\n");
  EXPECT_EQ(pipeline.env, (std::map<std::string, std::string>{{"A", "plain value"},
                                                              {"B", "two\nlines \"x\""},
                                                              {"C", "as $it \\n is"},
                                                              {"D", ""},
                                                              {"E", "a#b"},
                                                              {"F", "over"},
                                                              {"G", "plain value"}}));
  EXPECT_EQ(project.redactor.clean("plain value; as $it \\n is"), "***; ***");
}

TEST(EnvFile, ThatOthersCanReadIsAnError) {
  Project project;
  for (const unsigned mode : {0640U, 0604U, 0620U, 0644U}) {
    project.folder.write("prod.env", "A=secret\n", mode);
    EXPECT_EQ(project.complaints("env_file: prod.env\nsteps: [{run: 'true'}]\n"),
              "secret\np.yml:1:11: error: the env_file prod.env can be read by others\n    env_file: prod.env\n"
              "              ^\n    hint: chmod 600 prod.env\n");
  }
}

TEST(EnvFile, IsJudgedByTheFileBehindALink) {
  Project project;
  project.folder.write("real.env", "A=secret\n", 0600);
  ASSERT_EQ(symlink("real.env", (project.folder / "prod.env").c_str()), 0);
  EXPECT_EQ(project.complaints("env_file: prod.env\nsteps: [{run: 'true'}]\n"), "");
}

TEST(EnvFile, ThatIsMissingOrBrokenIsToldByItsLines) {
  Project project;
  EXPECT_EQ(
      project.complaints("env_file: gone.env\nsteps: [{run: 'true', env: {X: \"${{ env.FROM_FILE }}\"}}]\n"),
      "secret\np.yml:1:11: error: the env_file gone.env does not exist\n    env_file: gone.env\n              ^\n");
  project.folder.write("prod.env", "A=good\nno value\nB=\"open\n1C=x\nD='x' y\n", 0600);
  EXPECT_EQ(project.complaints("env_file: prod.env\nsteps: [{run: 'true'}]\n"),
            "secret\n"
            "prod.env:2:1: error: this line is not NAME=value\n"
            "prod.env:3:1: error: the quote does not end on this line\n"
            "prod.env:4:1: error: this line is not NAME=value\n"
            "prod.env:5:1: error: something stands behind the quoted value\n");
}

TEST(EnvFile, IsNotReadWhereTheDocumentAloneIsChecked) {
  Project project;
  project.folder.write("prod.env", "A=value\n", 0600);
  project.request.read_secrets = false;
  EXPECT_EQ(project.complaints("env_file: prod.env\nsteps: [{run: 'true', env: {X: \"${{ env.A }}\"}}]\n"), "");
}

TEST(UrlPasswords, AreFoundWhereverTheyStand) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(url_passwords("url: \"mysql://app:hunter22@db:3306/x?y=z\""), Words{"hunter22"});
  EXPECT_EQ(url_passwords("{a: http://u:one@h, b: 'ftp://u:two@h/p'}"), (Words{"one", "two"}));
  EXPECT_EQ(url_passwords("mysql://u:p@ss@h/x"), Words{"p@ss"});
  EXPECT_EQ(url_passwords("mysql://u:pa/ss@h/x"), Words{"pa/ss"});
  EXPECT_EQ(url_passwords("http://host:8080/a@b http://host/x:y@z sqlite:///a:b@c"), Words{});
  EXPECT_EQ(url_passwords("mysql://u:${{ secrets.PW }}@h/x"), Words{});
  EXPECT_EQ(url_passwords("mysql://u:literal@${{ vars.host }}/x"), Words{"literal"});
  EXPECT_EQ(url_passwords("mysql://u@h/x mysql://u:@h/x"), Words{});
}

}  // namespace
}  // namespace deployer
