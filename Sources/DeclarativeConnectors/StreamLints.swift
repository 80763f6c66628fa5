// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import PageScanner
import Settings

/// Faults of a stream that can be read and would lose data: each one is a fault that another system had.
struct StreamLints {
    let reader: MappingReader
    let stream: StreamManifest

    func check() {
        checkAbsence()
        checkCursorRequest()
        checkForbidden()
        checkParameters()
        checkHydration()
        checkDeletedList()
    }

    /// A list that is read by counting shifts when something is deleted meanwhile: what shifts is skipped.
    private func checkAbsence() {
        guard stream.list.page.isCounted else { return }
        if stream.absence == .fullRun {
            reader.complain(
                "absence",
                "'full_run' is not allowed for pages that are counted: a list that shifts while it is read hides "
                    + "records; allowed: never, two_runs")
        }
        guard case .time(let rule) = stream.incremental, rule.isAscending, rule.request.format != .integer,
            let incremental = reader.mapping("incremental", keys: IncrementalLoader.keys)
        else { return }
        incremental.complain(
            "order",
            "'ascending' is not allowed for pages that are counted: what is edited while the list is read moves to "
                + "its end, and another record shifts past the reader; ask for the newest first")
    }

    /// Something has to tell the provider from where on changes are wanted.
    private func checkCursorRequest() {
        guard let rule = reader.mapping("incremental", keys: IncrementalLoader.keys) else { return }
        let request: IncrementalRule.ChangeRequest
        var places: Set<Template.Place.Namespace> = [.config, .parent, .cursor]
        var needed = Template.Place.Namespace.cursor
        var templates: [Template] = []
        switch stream.incremental {
        case .time(let time):
            request = time.request
            templates = stream.changes?.request.templates ?? []
        case .window(let window):
            request = window.request
            places = [.config, .parent, .slice]
            needed = .slice
            templates = stream.list.request.templates
        case .feed(let feed):
            request = feed.request
            templates = feed.list.request.templates
        default: return
        }
        let own = request.query.map(\.value) + (request.body?.templates ?? [])
        let requests = RequestLoader(parent: stream.parent)
        requests.check(request.query.map(\.value), "query", rule, places)
        requests.check(request.body?.templates ?? [], "body", rule, places)
        if request.body != nil, stream.list.request.method == .get {
            rule.complain("body", "is not allowed for a stream that is read by GET; 'method: POST'")
        }
        let isNamed = (own + templates).flatMap(\.places).contains { $0.namespace == needed }
        if request.parameter == nil, !isNamed {
            let place = needed == .slice ? "${slice.start}" : "${cursor}"
            rule.complain(
                "parameter", "is missing; the parameter that gets the cursor, or \(place) in query or body")
        }
    }

    /// What the provider refuses beside a sync token, wherever the request would send it. `initial_query` goes with requests that
    /// have no token.
    private func checkForbidden() {
        guard case .syncToken = stream.incremental,
            let rule = reader.mapping("incremental", keys: IncrementalLoader.keys)
        else { return }
        let request = stream.list.request
        let paging = [stream.list.page.parameter, stream.list.page.sizeParameter].compactMap(\.?.memberName)
        for name in rule.words("forbid_with") {
            let places: [(key: String, names: [String])] = [
                ("query", request.query.map(\.name)), ("body", request.body?.memberNames ?? []),
                ("page", paging),
            ]
            for place in places where place.names.contains(name) {
                reader.complain(
                    place.key,
                    "'\(name)' is not allowed together with the sync token; see incremental.forbid_with")
            }
        }
    }

    /// Parameters that the API does not have: a misspelt page size is silently ignored.
    private func checkParameters() {
        var used = stream.initialQuery.map(\.name)
        used += [stream.range?.since, stream.range?.until].queryNames
        switch stream.incremental {
        case .syncToken(_, let parameter, _): used += [parameter].queryNames
        case .time(let time):
            let names = [time.request.parameter, time.until].queryNames
            if let changes = stream.changes {
                if let rule = reader.mapping("incremental", keys: IncrementalLoader.keys) {
                    checkParameters(rule, changes, names)
                }
            } else {
                used += names + time.request.queryNames
            }
        case .window(let rule):
            used += [rule.request.parameter, rule.until].queryNames + rule.request.queryNames
        case .sortedDescending(let range, _, _): used += [range?.since, range?.until].queryNames
        case .feed(let feed):
            if let rule = reader.mapping("incremental", keys: IncrementalLoader.keys) {
                checkParameters(rule, feed.list, [feed.request.parameter].queryNames)
            }
        case .none, .etag: break
        }
        checkParameters(reader, stream.list, used)
        if let deleted = stream.deletedList,
            let rule = reader.mapping("deleted_list", keys: DeletedListLoader.keys)
        {
            checkParameters(rule, deleted.list, [deleted.since, deleted.until].queryNames)
        }
    }

    /// `further` is what is sent besides the request's own query and what its pages need.
    private func checkParameters(_ owner: MappingReader, _ list: PagedList, _ further: [String]) {
        guard owner.has("parameters") else { return }
        let known = owner.words("parameters")
        let paging = [list.page.sizeParameter, list.page.parameter].queryNames
        var told: Set<String> = []
        for name in list.request.query.map(\.name) + paging + further
        where !known.contains(name) && told.insert(name).inserted {
            let near = Suggestion.closest(to: name, among: known).map { "; did you mean '\($0)'?" } ?? ""
            owner.complain("parameters", "'\(name)' is sent and is not among them\(near)")
        }
    }

    private func checkHydration() {
        let isHydrated = stream.hydration != nil
        if isHydrated || stream.hasFeed || stream.single != nil, stream.list.plan.id.count > 1 {
            reader.complain("id", "has to be one pointer where objects are fetched by their id")
        }
        guard isHydrated else { return }
        switch stream.incremental {
        case .none, .syncToken, .feed, .etag: break
        case .time(let rule) where rule.source == .responseDate: break
        case .time, .window, .sortedDescending:
            reader.complain(
                "hydrate", "needs a cursor that is not in the list's records; they only name what is fetched")
        }
    }

    /// A list of the recently deleted covers the time since the cursor; a full sync begins without one.
    private func checkDeletedList() {
        guard let deleted = stream.deletedList, deleted.since != nil, stream.absence == .never else { return }
        reader.complain(
            "absence",
            "'never' is not allowed beside a deleted_list by cursor: what was deleted while a full sync ran would "
                + "stay; allowed: full_run, two_runs")
    }
}

extension [RequestParameter?] {
    /// The names of those in the query.
    fileprivate var queryNames: [String] { compactMap { $0?.place == .query ? $0?.name : nil } }
}

extension IncrementalRule.ChangeRequest {
    fileprivate var queryNames: [String] { query.map(\.name) }
}

extension RequestParameter {
    /// What it is called in its place: in a body, the last member.
    fileprivate var memberName: String {
        if case .body(let pointer) = place { pointer.tokens.last ?? name } else { name }
    }
}

extension JSONTemplate {
    /// The members of all its objects.
    fileprivate var memberNames: [String] {
        switch self {
        case .object(let members): members.flatMap { [$0.name] + $0.value.memberNames }
        case .array(let elements): elements.flatMap(\.memberNames)
        case .text, .scalar: []
        }
    }
}

extension StreamManifest {
    var hasFeed: Bool { if case .feed = incremental { true } else { false } }
}
