#include "base/redactor.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <chrono>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/text.h"

namespace deployer {
namespace {

std::string streamed(const Redactor& redactor, std::string_view text, const std::vector<std::size_t>& cuts) {
  Redactor::Stream stream(redactor);
  std::string out;
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    const std::size_t length = std::min(cut, text.size() - begin);
    out += stream.feed(text.substr(begin, length));
    begin += length;
  }
  out += stream.feed(text.substr(begin));
  out += stream.finish();
  return out;
}

// Encoders written apart from those of the redactor, as other programs have them.
std::string base64_of(std::string_view bytes, bool url) {
  std::string out;
  std::vector<bool> bits;
  for (const char byte : bytes) {
    for (int i = 7; i >= 0; --i) bits.push_back(((static_cast<unsigned char>(byte) >> i) & 1) != 0);
  }
  while (bits.size() % 6 != 0) bits.push_back(false);
  for (std::size_t i = 0; i < bits.size(); i += 6) {
    int value = 0;
    for (std::size_t k = 0; k < 6; ++k) value = value * 2 + (bits[i + k] ? 1 : 0);
    if (value < 26) {
      out += static_cast<char>('A' + value);
    } else if (value < 52) {
      out += static_cast<char>('a' + value - 26);
    } else if (value < 62) {
      out += static_cast<char>('0' + value - 52);
    } else {
      out += value == 62 ? (url ? '-' : '+') : (url ? '_' : '/');
    }
  }
  while (!url && out.size() % 4 != 0) out += '=';
  return out;
}

std::string percent_of(std::string_view text, bool capitals, bool plus) {
  std::string out;
  for (const char letter : text) {
    if (std::isalnum(static_cast<unsigned char>(letter)) != 0 ||
        std::string_view("-._~").find(letter) != std::string_view::npos) {
      out += letter;
    } else if (letter == ' ' && plus) {
      out += '+';
    } else {
      std::array<char, 4> hex{};
      std::snprintf(hex.data(), hex.size(), capitals ? "%%%02X" : "%%%02x",
                    static_cast<unsigned>(static_cast<unsigned char>(letter)));
      out += hex.data();
    }
  }
  return out;
}

const std::string secret = "p@ss w/rd\"'$é+x";

TEST(Redactor, MasksASecretAsItIs) {
  Redactor redactor;
  ASSERT_TRUE(redactor.add("DATABASE_PASSWORD", secret));
  EXPECT_EQ(redactor.clean("password=" + secret + ";"), "password=***;");
  EXPECT_EQ(redactor.clean(secret + "," + secret), "***,***");
  EXPECT_EQ(redactor.clean(secret + secret), "***");
}

TEST(Redactor, LeavesATextWithoutSecretsAsItIs) {
  Redactor redactor;
  redactor.add("A", "abcabcabd");
  EXPECT_EQ(redactor.clean("abcabcabcab abcabc abd"), "abcabcabcab abcabc abd");
  EXPECT_FALSE(redactor.holds_secret("abcabcab"));
  EXPECT_EQ(Redactor().clean("anything"), "anything");
}

TEST(Redactor, FindsASecretBehindItsOwnBeginning) {
  Redactor redactor;
  redactor.add("A", "abcabcabd");
  EXPECT_EQ(redactor.clean("xabcabcabcabdx"), "xabc***x");
}

TEST(Redactor, MasksTheWholeOfSecretsThatOverlap) {
  Redactor redactor;
  redactor.add("A", "abcdef");
  redactor.add("B", "defghi");
  redactor.add("C", "cdef");
  EXPECT_EQ(redactor.clean("-abcdefghi-cdef-"), "-***-***-");
}

TEST(Redactor, DoesNotTakeWhatIsShorterThanFourBytes) {
  Redactor redactor;
  EXPECT_FALSE(redactor.add("PIN", "123"));
  EXPECT_FALSE(redactor.add("EMPTY", ""));
  EXPECT_TRUE(redactor.add("FOUR", "1234"));
  EXPECT_EQ(redactor.clean("123 1234"), "123 ***");
}

TEST(Redactor, MasksBase64AtEachOfTheThreeOffsets) {
  Redactor redactor;
  redactor.add("A", secret);
  for (const std::string before : {"", "u", "us", "use", "user:"}) {
    for (const std::string behind : {"", "x", "xy", "xyz"}) {
      for (const bool url : {false, true}) {
        const std::string clean = redactor.clean(base64_of(before + secret + behind, url));
        EXPECT_NE(clean.find("***"), std::string::npos) << before << "|" << behind;
        EXPECT_LE(clean.size(), 3 + base64_of(before, false).size() + 1 + base64_of(behind, false).size() + 2);
      }
    }
  }
}

TEST(Redactor, MasksBase64ThatIsWrapped) {
  Redactor redactor;
  std::string key;
  for (int i = 0; i < 200; ++i) key += static_cast<char>('!' + (i * 37) % 90);
  redactor.add("KEY", key);
  const std::string encoded = base64_of(key, false);
  std::string wrapped;
  for (std::size_t at = 0; at < encoded.size(); at += 76) wrapped += encoded.substr(at, 76) + "\n";
  EXPECT_EQ(redactor.clean(wrapped), "***\n");
}

TEST(Redactor, MasksPercentEncodings) {
  Redactor redactor;
  redactor.add("A", secret);
  EXPECT_EQ(redactor.clean("p%40ss%20w%2Frd%22%27%24%C3%A9%2Bx"), "***");
  EXPECT_EQ(redactor.clean("p%40ss+w%2frd%22%27%24%c3%a9%2bx"), "***");
  EXPECT_EQ(redactor.clean("p%40ss%20w/rd%22%27%24%C3%A9%2Bx"), "***");
  EXPECT_EQ(redactor.clean("p%40ss%20w%2Frd%22'%24%C3%A9%2Bx"), "***");
}

TEST(Redactor, MasksWhatIsEscapedInJson) {
  Redactor redactor;
  redactor.add("A", "line\n\"quoted\"/<tag>\xC3\xA9");
  EXPECT_EQ(redactor.clean(R"({"a":"line\n\"quoted\"/<tag>)"
                           "\xC3\xA9\"}"),
            R"({"a":"***"})");
  EXPECT_EQ(redactor.clean(R"(line\n\"quoted\"/<tag>\u00e9)"), "***");
  EXPECT_EQ(redactor.clean(R"(line\n\"quoted\"/<tag>\u00E9)"), "***");
  EXPECT_EQ(redactor.clean(R"(line\n\"quoted\"\/<tag>\u00e9)"), "***");
}

TEST(Redactor, MasksWhatAShellQuotes) {
  Redactor redactor;
  redactor.add("A", "it's $5 & more");
  EXPECT_EQ(redactor.clean("echo " + shell_quote("it's $5 & more")), "echo '***'");
  EXPECT_EQ(redactor.clean(R"('it'"'"'s $5 & more')"), "'***'");
  EXPECT_EQ(redactor.clean(R"(it\'s\ \$5\ \&\ more)"), "***");
  EXPECT_EQ(redactor.clean(R"("it's \$5 & more")"), "\"***\"");
  EXPECT_EQ(redactor.clean(R"($'it\'s $5 & more')"), "$'***'");
}

TEST(Redactor, MasksEachLineOfASecret) {
  Redactor redactor;
  redactor.add("KEY", "-----BEGIN-----\r\nabcdefgh\nij\n");
  EXPECT_EQ(redactor.clean("found abcdefgh and ij"), "found *** and ij");
  EXPECT_EQ(redactor.clean("-----BEGIN-----"), "***");
}

TEST(Redactor, MasksALongKeyOfManyLinesInEveryForm) {
  Redactor redactor;
  std::string key = "-----BEGIN PRIVATE KEY-----\n";
  for (int i = 0; i < 40; ++i) {
    for (int k = 0; k < 64; ++k)
      key += "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/01"[(i * 7 + k * k * 11 + i * k) % 56];
    key += '\n';
  }
  const auto begin = std::chrono::steady_clock::now();
  redactor.add("KEY", key);
  EXPECT_EQ(redactor.clean(key), "***");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
  EXPECT_EQ(redactor.clean(base64_of(key, false)), "***");
  const std::string percent = redactor.clean(percent_of(key, true, false));
  EXPECT_EQ(percent.substr(0, 15), "***%0A***%0A***") << percent;
  EXPECT_EQ(redactor.clean(Json(key).dump()).substr(0, 14), "\"***\\n***\\n***");
}

TEST(Redactor, MasksEachStringInsideJson) {
  Redactor redactor;
  redactor.add("ACCOUNT", R"({"user": "deploy", "keys": ["first-key", {"second": "a\nbcdef"}], "port": 3306})");
  EXPECT_EQ(redactor.clean("deploy first-key a\nbcdef bcdef user port 3306"), "*** *** *** *** user port 3306");
}

TEST(Redactor, CleansDocumentsWithTheirKeys) {
  Redactor redactor;
  redactor.add("A", "hunter22");
  EXPECT_EQ(redactor.clean(Json{{"hunter22", 1}, {"list", {"x hunter22", true, nullptr, {{"a", "hunter22"}}}}}).dump(),
            R"({"***":1,"list":["x ***",true,null,{"a":"***"}]})");
}

TEST(Redactor, CleansAnErrorThroughAllItsParts) {
  Redactor redactor;
  redactor.add("A", "hunter22");
  Error error(ErrorKind::io, "cannot read hunter22", "look at hunter22");
  error.diagnostics.push_back(
      {{"/srv/hunter22.yml", 1, 2}, Level::error, "r", "bad hunter22", "not hunter22", "hunter22: x"});
  const Error clean = redactor.clean(Error(std::move(error)).caused_by(Error(ErrorKind::database, "denied hunter22")));
  EXPECT_EQ(clean.kind, ErrorKind::io);
  EXPECT_EQ(clean.summary(), "cannot read ***: denied ***");
  EXPECT_EQ(clean.text(), "/srv/***.yml:1:2: error: bad ***\n    ***: x\n     ^\n    hint: not ***\nhint: look at ***");
}

TEST(Redactor, MasksASecretThatIsSplitOverTwoReads) {
  Redactor redactor;
  redactor.add("A", "hunter22");
  for (std::size_t cut = 0; cut <= 16; ++cut) {
    EXPECT_EQ(streamed(redactor, "say hunter22 now", {cut}), "say *** now") << cut;
  }
}

TEST(Redactor, HoldsBackNoMoreThanWhatMayBecomeASecret) {
  Redactor redactor;
  redactor.add("A", "hunter22");
  Redactor::Stream stream(redactor);
  EXPECT_EQ(stream.feed("Password for hunter: "), "Password for hunter: ");
  EXPECT_EQ(stream.feed("hunt"), "");
  EXPECT_EQ(stream.feed("ing"), "hunting");
  EXPECT_EQ(stream.feed("hunter2"), "");
  EXPECT_EQ(stream.feed("2"), "***");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Redactor, MasksBothHalvesOfASecretThatComesWithAPauseBetween) {
  Redactor redactor;
  redactor.add("A", "hunter22-long");
  Redactor::Stream stream(redactor);
  EXPECT_EQ(stream.feed("say hunter"), "say ");
  EXPECT_EQ(stream.finish(), "***");
  EXPECT_EQ(stream.feed("22-"), "");
  EXPECT_EQ(stream.finish(), "***");
  EXPECT_EQ(stream.feed("long now"), "*** now");
  EXPECT_EQ(stream.finish(), "");
}

TEST(Redactor, LetsThreeBytesOutAfterAPauseAndMasksTheRest) {
  Redactor redactor;
  redactor.add("A", "hunter22");
  Redactor::Stream stream(redactor);
  EXPECT_EQ(stream.feed("hun"), "");
  EXPECT_EQ(stream.finish(), "hun");
  EXPECT_EQ(stream.feed("ter22."), "***.");
}

TEST(Redactor, KnowsInARunningStreamASecretThatCameLater) {
  Redactor redactor;
  redactor.add("A", "hunter22");
  Redactor::Stream stream(redactor);
  EXPECT_EQ(stream.feed("x hunter"), "x ");
  redactor.add("B", "hunterman");
  EXPECT_EQ(stream.feed("man hunter22"), "*** ***");
}

RC_GTEST_PROP(RedactorProperty, LeaksNoFormOfASecretWhereverTheTextIsCut, ()) {
  const auto value =
      *rc::gen::suchThat(rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab01 +/=%'\"\\$\t<>&-_~é"))),
                         [](const std::string& text) { return text.size() >= 4 && trim(text).size() == text.size(); });
  RC_PRE(!invalid_utf8(value));
  Redactor redactor;
  RC_ASSERT(redactor.add("A", value));
  const std::string shift = *rc::gen::element<std::string>("", "u", "us");
  const std::string quoted = Json(value).dump();
  const std::vector<std::string> forms = {
      value,
      shell_quote(value),
      quoted.substr(1, quoted.size() - 2),
      percent_of(value, true, false),
      percent_of(value, false, true),
      base64_of(value, false),
      base64_of(value, true),
  };
  for (const std::string& form : forms) {
    const std::string text = "[[" + form + "]]";
    const auto cuts = *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, 9));
    const std::string out = streamed(redactor, text, cuts);
    RC_ASSERT(out == redactor.clean(text));
    RC_ASSERT(out.find(form) == std::string::npos);
    RC_ASSERT(out.find("***") != std::string::npos);
    RC_ASSERT(!redactor.holds_secret(out));
  }
  const std::string encoded = base64_of(shift + value + shift, false);
  const std::string out = streamed(redactor, encoded, {shift.size(), 3, 2});
  RC_ASSERT(out.find("***") != std::string::npos);
  RC_ASSERT(out == redactor.clean(encoded));
}

RC_GTEST_PROP(RedactorProperty, ChangesNothingInATextWithoutSecrets, (const std::string& text)) {
  Redactor redactor;
  redactor.add("A", "correct horse battery staple");
  redactor.add("B", R"({"key": "0123456789abcdef"})");
  RC_PRE(!redactor.holds_secret(text));
  RC_ASSERT(redactor.clean(text) == text);
  const auto cuts = *rc::gen::container<std::vector<std::size_t>>(rc::gen::inRange<std::size_t>(0, 9));
  RC_ASSERT(streamed(redactor, text + "\n", cuts) == text + "\n");
}

TEST(Redactor, KeepsUpWithAFastChild) {
  Redactor redactor;
  for (int i = 0; i < 50; ++i) redactor.add("S", "secret-number-" + std::to_string(i * 7919) + "-of-many");
  std::string text;
  while (text.size() < 2'000'000) text += "2026-11-24 INFO request served in 12 ms secre user=deploy path=/books/1\n";
  Redactor::Stream stream(redactor);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(stream.feed(text).size(), text.size());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
}

}  // namespace
}  // namespace deployer
