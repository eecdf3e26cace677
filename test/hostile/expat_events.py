"""What Expat hears in documents: a JSON list of them on stdin, a JSON list of lists of events on stdout; null for one it refuses."""
import json
import sys
import xml.parsers.expat

SEPARATOR = "\x01"


def pair(name):
    return name.split(SEPARATOR) if SEPARATOR in name else ["", name]


def events(document):
    heard = []

    def start(name, attributes):
        given = sorted([*pair(key), value] for key, value in attributes.items())
        heard.append(["start", *pair(name), given])

    def text(data):
        if heard and heard[-1][0] == "text":
            heard[-1][1] += data
        else:
            heard.append(["text", data])

    parser = xml.parsers.expat.ParserCreate("UTF-8", SEPARATOR)
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: heard.append(["end"])
    parser.CharacterDataHandler = text
    try:
        parser.Parse(document.encode("utf-8"), True)
    except xml.parsers.expat.ExpatError:
        return None
    return heard


json.dump([events(document) for document in json.load(sys.stdin)], sys.stdout)
