"""Classifiers: a request -> its task class. One file each, pure; contract: `Classify`.

What a class is, and how to label a request, is product.md section 2: the task decides, not the envelope it comes in.
Explicit choice (`auto:<class>`, a header) is the caller's business and never reaches a classifier.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

from router.decision import Classification
from router.types import ChatRequest

CODING = "coding_deep_review"
AGENTIC = "agentic_terminal_work"
LONG = "long_context_synthesis"
RESEARCH = "research_synthesis"
STRICT = "strict_json_extraction"
GENERAL = "general"

BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        CODING: "Code to write, fix, test, refactor, explain or review; text to SQL",
        AGENTIC: "Tool loops, terminal and computer use, orchestration: something is to be done in an environment",
        LONG: "Large notes or documents in; a summary, a synthesis or an answer from them out",
        RESEARCH: "Web evidence, questions over several hops, reports and summaries with sources",
        STRICT: "Extraction to JSON or a schema, or any format prescribed to the letter",
        GENERAL: "Everything else: conversation, writing, closed-book questions, sums",
    }
)

LIKE_EXAMPLE = 0.35  # likeness from which a custom class takes the request
EXAMPLE_CHARS = 1500
_UNSPACED = "\u3040-\u9fff\uac00-\ud7a3"  # kana, Chinese, Korean: Latin words in between stand without spaces
_WORD = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")


class Classify(Protocol):
    """The class of a request, with named reasons. Never raises, whatever the text."""

    def __call__(self, request: ChatRequest, custom: Sequence["CustomClass"] = ()) -> Classification: ...


@dataclass(frozen=True)
class CustomClass:
    """A task class of the operator's own. Requests are compared with `examples`; `description` is for people."""

    name: str
    description: str
    examples: tuple[str, ...] = ()

    @cached_property
    def example_features(self) -> tuple[frozenset[str], ...]:
        """Worked out once, not per request."""
        return tuple(_features(words_of(example[:EXAMPLE_CHARS].lower())) for example in self.examples)


class Likeness(NamedTuple):
    """`example` counts from 1; `likeness` is the cosine of two word sets, 0 to 1."""

    likeness: float
    task_class: str
    example: int


def words_of(lowered: str) -> frozenset[str]:
    """The distinct words of a lower-case text; `snake_case` is two, a run of Chinese is one."""
    return frozenset(_WORD.findall(lowered))


def nearest(words: frozenset[str], custom: Sequence[CustomClass]) -> Likeness | None:
    """The operator's example that is most like a text of these words, when one is like it at all."""
    mine = _features(words)
    likenesses = [
        Likeness(_cosine(mine, example), task.name, number)
        for task in custom
        for number, example in enumerate(task.example_features, 1)
    ]
    best = max(likenesses, default=None)
    return best if best and best.likeness >= LIKE_EXAMPLE else None


def _features(words: frozenset[str]) -> frozenset[str]:
    """Words of three letters and more; pairs of signs where words aren't spaced."""
    pairs = {word[i : i + 2] for word in words if word[0] >= "\u3040" for i in range(len(word) - 1)}
    return frozenset(word for word in words if len(word) > 2) | pairs


def _cosine(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / sqrt(len(one) * len(other)) if one and other else 0.0


class Group(NamedTuple):
    """Each of these found weighs `weight`, up to `most` of them. `words` are whole words, `marks` any substring.

    `only` limits it to short texts, or to those long enough to be a document.
    """

    reason: str
    task_class: str
    weight: float
    most: int
    words: frozenset[str]
    marks: tuple[str, ...] = ()
    only: Literal["short", "long"] | None = None


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def marks(text: str) -> tuple[str, ...]:
    """One mark between bars, so that the spaces at its ends count."""
    return tuple(text.split("|"))


# fmt: off
GROUPS = (
    Group("names a programming language or library", CODING, 0.9, 2, words(
        "python javascript typescript java golang kotlin haskell scala php perl matlab sql mysql postgresql postgres "
        "sqlite html css jquery react vue angular django flask numpy pandas dataframe dataframes matplotlib pytorch "
        "tensorflow regex regexp nodejs npm powershell verilog cuda webpack leetcode jsx fortran cobol vba scipy "
        "sklearn beautifulsoup selenium opencv pyspark rails laravel dotnet asyncio"), marks(
        "c++|c#|node.js|regular expression|in rust|in ruby|in swift|파이썬|자바스크립트")),
    Group("speaks of code", CODING, 0.6, 3, words(
        "code codebase function functions method methods class classes array arrays string strings integer integers "
        "tuple dict dictionary dictionaries list lists loop loops variable variables algorithm script program compile "
        "compiler debugging bug bugs refactoring exception traceback docstring recursion recursive iterate parse "
        "boolean substring indices axis matrix column csv xml datetime newline newlines plot file files implement "
        "implementation repository commit diff patch testcase api endpoint query queries "
        "código codigo función funcion funciones programa cadena cadenas lista listas diccionario arreglo matriz "
        "função fonction fonctions programme chaîne tableau funktion funktionen programm skript quellcode "
        "код кода коде функция функцию функции скрипт программу программа список списка списке строка строку строке "
        "строки массив массива словарь словаря файл файла файле переменной")),
    Group("speaks of code, unspaced", CODING, 1.1, 2, words(""), marks(
        "代码|编程|函数|列表|文件|算法|程序|脚本|数组|变量|字符串|编译|调试|コード|関数|プログラ|リスト|配列|文字列|辞書|変数|要素|ファイル|"
        "グラフ|タプル|デコード|スクリプト|코드|함수|프로그램|프로그래밍|알고리즘|배열|문자열|자료구조")),
    Group("a coding task", CODING, 1.1, 2, words("refactor debug unittest pytest segfault"), marks(
        "review this|code review|pull request|write a function|write a program|write a script|write code|unit test|"
        "test cases|fix the bug|fix this bug|find the bug|complete the following code|a class called|a function that|"
        "function called|function named|this code|the code|following code|your code|source code|stack trace|sql query|"
        "syntax error|write a python|safe to merge|this diff|this patch|edge cases|time complexity|一段代码|"
        "escribe una función|écris une fonction|écrire une fonction|schreibe eine funktion|напиши функцию")),
    Group("code in a fence", CODING, 1.2, 1, words(""), marks(
        "```py|```js|```java|```ts|```typescript|```c|```go|```rust|```ruby|```php|```sql|```swift|```kotlin|```html|"
        "```diff|```scala|```haskell|```bash|```sh|```r\n")),
    Group("a diff", CODING, 1.5, 1, words(""), marks("diff --git|\n@@ -|\n+++ |\n--- a/")),
    Group("a stack trace", CODING, 1.2, 1, words("typeerror valueerror syntaxerror keyerror attributeerror"), marks(
        "traceback (most recent|exception in thread|\tat java.|nullpointerexception|segmentation fault|"
        "referenceerror")),
    Group("reads like code", CODING, 0.6, 4, words("elif printf"), marks(
        "def |self.|print(|#include|public static|public class|private |void |();|) {|){|=> |console.|const |function(|"
        "fn |func |std::|};| == |&&|__init__|</div>|int main|throw new|select * from|lambda |none:|str:|int:|[]int")),

    Group("speaks of a machine", AGENTIC, 0.4, 3, words(
        "terminal shell bash directory directories folder folders sudo chmod chown systemd systemctl cron nginx apache "
        "docker container containers kubectl kubernetes ssh ubuntu linux debian daemon server cluster deployment "
        "deployed filesystem permissions executable binary localhost workspace")),
    Group("a task in an environment", AGENTIC, 0.8, 4, words(""), marks(
        "your task is|you are tasked|you've been tasked|success criteria|you have access to|you've been provided|"
        "you have been provided|you will be given|has been deployed|must exist at|will be verified|will be validated|"
        "will be tested by|is complete when|working directory|current directory|already installed|on the system|"
        "on your system|on this system|in the terminal|virtual machine|command line|run the following|create a file|"
        "exists at|located at|located in|saved to|save results|save your|output file|configuration file|log file")),
    Group("an agent's loop", AGENTIC, 1.3, 3, words("rootwebarea"), marks(
        "available actions|\naction:|observation:|thought:|next action|accessibility tree|click [|click[|finish[|"
        "interact with a|interact with the|autonomous agent|autonomous intelligent agent|at each step|issue an action|"
        "one action|take an action|current page|web browser|act like a person|you are an agent|use the following tools|"
        "call the tool|operating system")),
    Group("work on a site or account", AGENTIC, 0.6, 2, words("wishlist checkout subreddit"), marks(
        "my account|my cart|my order|add to cart|shopping cart|log in|sign in|my repo|go to the|open the|on the page|"
        "fill out|fill in the form|submit the|my latest|my profile|my inbox|my calendar")),

    Group("asks about a document", LONG, 0.8, 2, words("transcript summarize summarise summary chapter"), marks(
        "the document|this document|following document|the passage|the article|the paper|the meeting|this report|"
        "the report|the contract|the story|the book|the above text|the following text|the text above|based on the|"
        "according to the text|the lecture|document:|article:|passage:|总结|摘要|文档|根据以下"), only="long"),

    Group("wants sources", RESEARCH, 1.3, 2, words(
        "cite citation citations citing references bibliography doi quellen citez fuentes"), marks(
        "with sources|your sources|give sources|list sources|provide sources|and sources|sources for|use the web|"
        "search the web|on the web|search online|where you found|with references|web search|look up online|"
        "inline citation|peer-reviewed|引用|来源|参考文献|출처|出典|источник")),
    Group("asks for research", RESEARCH, 1.1, 2, words("literature scholarly researchers"), marks(
        "research on|research report|in-depth|conduct a|recent studies|recent developments|state of the art|"
        "state-of-the-art|meta-analysis|market analysis|research the|research for|research assistant|latest research|"
        "recent advances|survey of|studies on|existing research|empirical evidence|market size|comparative analysis|"
        "current state of|调研|文献|综述|收集整理|研究现状|研究成果|研究报告|分析报告|研究下|深入分析|详细分析|"
        "学术|논문|선행연구|先行研究|論文"),
        only="short"),
    Group("words of a study", RESEARCH, 0.35, 5, words(
        "mechanism mechanisms approach approaches trends evidence studies study clinical efficacy therapeutic "
        "theoretical theory framework frameworks models implications strategies regulatory sector technologies analyze "
        "analysis investigate comprehensive findings technique techniques dataset datasets neural evaluate compare "
        "comparison evolution mitigate optimize optimization impact influence factors market global investment policy "
        "manufacturing economic historical perspectives systems performance algorithms applications materials detailed "
        "current existing recent future development industry key research academic paper papers advances challenges "
        "potential treatment effects role cells protein learning llms language strengths weaknesses"), marks(
        "分析|行业|市场|政策|趋势|影响|因素|理论|评估|量化|未来|发展|领域|机制|国内外|全球|近年|优化|体系|研究|现状"),
        only="short"),
    Group("a question over several hops", RESEARCH, 0.7, 3, words("hometown guinness"), marks(
        "according to|as of |the most |who won|that won|which won|the director of|the author of|the author who|"
        "the player who|founder of|the city where|the country with|birth|who played|who directed|was born|same year|"
        "the company that|the winner of|first published|the person who|of the current|current mayor"), only="short"),

    Group("wants JSON", STRICT, 1.3, 2, words("json jsonl yaml"), marks(
        "json object|only json|json only|valid json|as json|in json|json format|json schema|matches the schema|"
        "schema below|this schema|json格式|json 格式|json形式|以json")),
    Group("a JSON schema in the text", STRICT, 1.6, 2, words(""), marks(
        "\"$schema\"|\"properties\"|\"type\": \"object\"|\"type\":\"object\"|\"additionalproperties\"|\"required\"")),
    Group("wants things extracted", STRICT, 1.0, 2, words(
        "extract extraction entities entity relations triples triplets extraire extraer"), marks(
        "list all |实体|抽取|提取|关系|三元组|抽出|추출|извлек")),
    Group("prescribes the form", STRICT, 1.1, 3, words("placeholder placeholders postscript columns"), marks(
        "entire response|entire reply|entire output|lowercase letters|all lowercase|capital letters|only output|"
        "output only|only respond|respond only|respond with only|only reply|nothing else|no other words|no explanation|"
        "never output|exact format|exact phrase|exactly as follows|following format|wrap your|wrapped in|"
        "double quotation|double angular|any commas|no commas|separated by|in markdown format|bullet points|"
        "should appear|must appear|start your|begin your|end your|finish your|other language|word for word|"
        "the keyword|no code fence|table with|table format|two-column|column should|"
        "每句|不超过|不要使用|以内|字以|只输出|不要输出|输出格式|表格|格式约束|句以")),
    Group("a constraint on the form", STRICT, 0.6, 4, words(
        "uppercase title highlight markdown sections alliteration"), marks(
        "do not use|don't use|do not include|don't include|without using|must not|avoid using|refrain from|"
        "each sentence|every sentence|each paragraph|must contain|must include|should contain|make sure|ensure that|"
        "ensuring|the word |the letter |in the form of|starts with|start with|ends with|end with|begin with|"
        "your answer should|your response|your answer must|this format|in the format|format:|"
        "每个|必须|格式|至少|句话|开头|结尾|以表格")),

    Group("writing or advice", GENERAL, 0.4, 3, words(
        "story poem essay letter joke lyrics tips ideas pretend imagine youtube histoire poème recette conseils receta "
        "consejos"), marks("解释|描述|写一篇|推荐|建议|翻译|改写|文章")),
    Group("a sum in words", GENERAL, 0.6, 2, words("combien cuántos сколько"), marks(
        "how many|how much|how old|how long|how far|多少")),
)
# fmt: on
