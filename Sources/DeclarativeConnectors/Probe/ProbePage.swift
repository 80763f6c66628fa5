// SPDX-License-Identifier: Apache-2.0

import HTTPTransport
import PageScanner

/// Where a probe asks: a URL in its parts.
struct ProbeTarget: Sendable, Equatable {
    /// Scheme, host and port.
    let origin: String
    /// As it was written, percent-encoded.
    let path: String
    /// Decoded, in order.
    var query: [Parameter]

    struct Parameter: Sendable, Equatable {
        let name: String
        var value: String
    }

    /// Nil when the text is no http URL with a host.
    init?(_ url: String) {
        origin = URLText.origin(of: url)
        guard origin.hasPrefix("http://") || origin.hasPrefix("https://"), !origin.hasSuffix("/"),
            !origin.contains("@")
        else { return nil }
        let rest = url.dropFirst(origin.count).prefix { $0 != "#" }
        let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = parts.first.map { $0.isEmpty ? "/" : String($0) } ?? "/"
        query = (parts.count > 1 ? parts[1] : "").split(separator: "&").map { pair in
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            func text(_ part: Substring) -> String {
                URLText.decoded(Substring(part.replacing("+", with: "%20")))
            }
            return Parameter(name: text(halves[0]), value: halves.count > 1 ? text(halves[1]) : "")
        }
    }

    var url: String {
        let pairs = query.map { "\(PercentEncoding.encoded($0.name))=\(PercentEncoding.encoded($0.value))" }
        return origin + path + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&"))
    }

    /// The last part of the path that is a word.
    var name: String {
        path.split(separator: "/").last { part in part.contains { $0.isLetter } && !part.contains("%") }
            .map {
                $0.split(separator: ".").last { $0.lowercased() != "json" }.map(String.init) ?? String($0)
            }
            ?? "items"
    }

    func with(_ name: String, _ value: String) -> ProbeTarget {
        var target = self
        if let index = query.firstIndex(where: { $0.name == name }) {
            target.query[index].value = value
        } else {
            target.query.append(Parameter(name: name, value: value))
        }
        return target
    }
}

/// One response of a probe.
struct ProbePage: Sendable {
    let response: HTTPResponse
    let value: ProbeValue
    /// The objects of a body of lines.
    let lines: [ProbeValue]
    /// What was asked for, for recognizing its list.
    let name: String

    var isLines: Bool { !lines.isEmpty }

    /// Nil when the body is neither JSON nor lines of it.
    init?(_ response: HTTPResponse, name: String) {
        self.response = response
        self.name = name
        if let value = ProbeValue(json: response.body) {
            (self.value, lines) = (value, [])
            return
        }
        let parts = response.body.split(separator: UInt8(ascii: "\n")).filter { $0.contains { $0 > 0x20 } }
        let objects = parts.compactMap { ProbeValue(json: Array($0)) }.filter { !$0.members.isEmpty }
        guard objects.count == parts.count, objects.count > 1 else { return nil }
        (value, lines) = (.scalar(.null), objects)
    }

    /// The next link of the headers.
    var nextLink: String? { LinkHeader.target(relation: "next", in: response.headers.all("Link")) }
}
