// SPDX-License-Identifier: Apache-2.0

import PageScanner

/// A way in which a list may go on, as its first page suggests; a second page proves it.
struct PaginationGuess: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        case linkHeader
        case nextURL(path: [String])
        case token(path: [String], parameter: String)
        case lastID(parameter: String)
        case pageNumber(parameter: String, first: Int)
        case offset(parameter: String)
    }

    let kind: Kind

    /// What says that there is more, where the page has such a member; `false` or `true` at the end.
    var flag: Flag?

    struct Flag: Sendable, Equatable {
        let path: [String]
        /// What it says while there is more.
        let whileMore: Bool
    }

    private static let moreNames: Set = [
        "has_more", "hasmore", "has_next", "hasnext", "has_next_page", "hasnextpage", "more",
    ]
    private static let endNames: Set = [
        "is_last", "islast", "last", "done", "end_of_stream", "is_last_page", "islastpage",
    ]

    /// Ways to ask for the page behind the first one, the likeliest first.
    static func guesses(_ page: ProbePage, _ shape: RecordShape, _ target: ProbeTarget) -> [PaginationGuess] {
        let envelope = shape.path.isEmpty ? [] : page.value.scalars()
        var kinds: [Kind] = []
        if page.nextLink != nil { kinds.append(.linkHeader) }
        kinds += envelope.filter { isNextURL($0.path, $0.value) }.map { .nextURL(path: $0.path) }
        for (path, value) in envelope where isToken(path, value) {
            kinds += parameters(for: path.last ?? "").map { .token(path: path, parameter: $0) }
        }
        let flag = self.flag(envelope)
        if flag != nil, shape.id != nil {
            kinds += ["starting_after", "after", "after_id", "last_id", "since_id"].map {
                .lastID(parameter: $0)
            }
        }
        kinds += ["page", "page[number]", "p"].map { name in
            .pageNumber(
                parameter: name, first: target.query.contains { $0.name == name && $0.value == "0" } ? 0 : 1)
        }
        kinds += ["offset", "skip", "startAt", "start"].map { .offset(parameter: $0) }
        return kinds.map { PaginationGuess(kind: $0, flag: flag) }
    }

    /// A member that says whether there is more, and that says so now.
    private static func flag(_ envelope: [(path: [String], value: JSONScalar)]) -> Flag? {
        for (path, value) in envelope {
            let name = path.last?.lowercased() ?? ""
            guard case .bool(let now) = value else { continue }
            if moreNames.contains(name) { return Flag(path: path, whileMore: true) }
            if endNames.contains(name), !now { return Flag(path: path, whileMore: false) }
        }
        return nil
    }

    private static func isNextURL(_ path: [String], _ value: JSONScalar) -> Bool {
        guard case .string(let text) = value, path.contains(where: { $0.lowercased().contains("next") })
        else {
            return false
        }
        return text.hasPrefix("http://") || text.hasPrefix("https://") || text.hasPrefix("/")
    }

    private static func isToken(_ path: [String], _ value: JSONScalar) -> Bool {
        let name = path.last?.lowercased() ?? ""
        let way = path.joined(separator: "/").lowercased()
        guard !way.contains("prev"), !way.contains("sync"), !way.contains("etag"), !way.contains("url") else {
            return false
        }
        switch value {
        case .string(let text):
            let isURL = text.contains("://") || text.hasPrefix("/")
            return !text.isEmpty && !isURL
                && ["next", "cursor", "after", "token", "continuation", "bookmark", "offset"].contains {
                    name.contains($0)
                }
        case .number: return name.contains("next")
        default: return false
        }
    }

    /// The names of parameters that a token of this name mostly goes into.
    static func parameters(for name: String) -> [String] {
        var names: [String]
        switch name.lowercased() {
        case "nextpagetoken": names = ["pageToken", "nextPageToken"]
        case "next_page_token": names = ["page_token", "next_page_token", "pageToken"]
        case "next_cursor", "nextcursor": names = ["cursor", "start_cursor", name, "after"]
        case "endcursor", "end_cursor": names = ["after", "cursor"]
        case "after_cursor": names = ["cursor", "after"]
        case "next_page", "nextpage": names = ["page", name]
        case "next_offset", "nextoffset": names = ["offset", name]
        case "next": names = ["cursor", "after", "next", "page_token", "pageToken"]
        default: names = [name, "cursor", "after"]
        }
        var seen: Set<String> = []
        names = names.filter { seen.insert($0).inserted }
        return names
    }

    /// The request of the page behind `page`; nil when that page is the last one, as far as it says.
    func next(
        after page: ProbePage, _ shape: RecordShape, _ asked: ProbeTarget, first: ProbeTarget, count: Int
    ) -> ProbeTarget? {
        if let flag, case .bool(let now)? = page.value[flag.path]?.scalar, now != flag.whileMore {
            return nil
        }
        switch kind {
        case .linkHeader: return page.nextLink.flatMap { resolve($0, first) }
        case .nextURL(let path):
            guard case .string(let text)? = page.value[path]?.scalar else { return nil }
            return resolve(text, first)
        case .token(let path, let parameter):
            guard let text = page.value[path]?.scalar?.text, !text.isEmpty else { return nil }
            return first.with(parameter, text)
        case .lastID(let parameter): return shape.ids(of: page).last.map { first.with(parameter, $0) }
        case .pageNumber(let parameter, let start):
            let number = asked.query.first { $0.name == parameter }.flatMap { Int($0.value) } ?? start
            return first.with(parameter, String(number + 1))
        case .offset(let parameter): return first.with(parameter, String(count))
        }
    }

    /// Only to the same host: another one would get the credential.
    private func resolve(_ url: String, _ first: ProbeTarget) -> ProbeTarget? {
        let isPath = url.hasPrefix("/") && !url.hasPrefix("//")
        guard let target = ProbeTarget(isPath ? first.origin + url : url), target.origin == first.origin
        else {
            return nil
        }
        return target
    }
}
