// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
import HTTPTransport
public import Model
import PageScanner

/// A connector made of a manifest.
public struct ManifestConnector: Connector {
    let manifest: Manifest

    /// The service's name, as the manifest says it.
    public var service: String { manifest.service }

    /// The service's name for people.
    public var title: String { manifest.title }

    /// The streams in the order of the manifest, parents before their children.
    public var streams: [StreamDescriptor] { manifest.streams.map(\.descriptor) }

    /// What the manifest says of tokens; endpoints move with the base URL.
    public func tokens(at baseURL: String?) -> OAuthProfile? {
        guard let baseURL, let tokens = manifest.tokens else { return manifest.tokens }
        return tokens.moved(from: manifest.baseURL.text, to: baseURL)
    }

    /// What the manifest says of notifications.
    public var webhook: WebhookProfile? { manifest.webhook?.profile }

    /// What the manifest's rules make of a notification.
    public func changes(in event: WebhookEvent) -> [WebhookChange] {
        manifest.webhook?.changes(in: event) ?? []
    }

    /// What the manifest says of watches.
    public var watches: [WatchDescriptor] {
        (manifest.webhook?.watches ?? []).map {
            WatchDescriptor(stream: $0.stream, renewBefore: $0.renewBefore)
        }
    }

    /// Throws class `config` for places that the integration has no value for, but for those of the watch's own request.
    public func watcher(of stream: String, access: ProviderAccess) throws(ConnectorError) -> (any Watcher)? {
        guard let rule = manifest.webhook?.watches.first(where: { $0.stream == stream }),
            let found = manifest.streams.first(where: { $0.name == stream }),
            rule.configNames.allSatisfy({ access.configuration[$0]?.isEmpty == false })
        else { return nil }
        return ManifestWatcher(rule: rule, stream: try ReadableStream(manifest, found, access))
    }

    /// The places of the address, of the authentication and of the headers.
    public var accountFields: [AccountField] {
        let templates = [manifest.baseURL] + (manifest.auth?.templates ?? []) + manifest.headers.map(\.value)
        var fields: [AccountField] = []
        for case .place(let place) in templates.flatMap(\.parts) {
            guard place.namespace == .config || place.namespace == .secret else { continue }
            let field = AccountField(name: place.name, isSecret: place.namespace == .secret)
            if !fields.contains(field) { fields.append(field) }
        }
        return fields
    }

    /// The limits of the manifest.
    public var limits: [LimitRule] { manifest.limits.map(\.rule) }

    /// The paths of all requests of the manifest's streams and actions.
    public var endpoints: [String] {
        let requests =
            manifest.streams.flatMap(\.requests).map(\.path.text)
            + manifest.actions.flatMap(\.shapes).map(\.path.text)
            + (manifest.webhook?.watches ?? []).flatMap {
                [$0.request, $0.stop].compactMap { $0?.path.text }
            }
        var paths: [String] = []
        for path in requests where !paths.contains(path) { paths.append(path) }
        return paths
    }

    /// Throws class `config` for an unknown stream, and for places that the integration has no value for.
    public func strategy(
        for stream: String, access: ProviderAccess
    ) throws(ConnectorError) -> any SyncStrategy {
        guard let found = manifest.streams.first(where: { $0.name == stream }) else {
            throw ConnectorError(
                .config, code: "unknown_stream", userMessage: "\(manifest.title) has no such data.",
                operatorDetail: "the manifest of \(service) has no stream '\(stream)'")
        }
        return ManifestStrategy(stream: try ReadableStream(manifest, found, access))
    }
}

/// One stream of one integration, ready to be read.
struct ReadableStream: Sendable {
    let manifest: Manifest
    let stream: StreamManifest
    let access: ProviderAccess
    let sender: RequestSender
    let judge: ResponseJudge
    /// The list of all objects.
    let objects: ReadableList
    /// The list of what happened, for a change feed.
    let feed: ReadableList?
    /// The list of the changes alone, where there is one.
    let changes: ReadableList?
    let deleted: ReadableList?
    let hydrator: Hydrator?
    /// Fetches single objects that a notification names.
    let fetcher: Hydrator?

    init(_ manifest: Manifest, _ stream: StreamManifest, _ access: ProviderAccess) throws(ConnectorError) {
        self.manifest = manifest
        self.stream = stream
        self.access = access
        let requests = try RequestTemplate(manifest, stream, access)
        let judge = ResponseJudge(
            manifest: manifest, stream: stream.name, secrets: access.credential.known.values,
            source: access.credential)
        let sender = RequestSender(requests: requests, access: access)
        self.sender = sender
        self.judge = judge
        objects = ReadableList(stream.list, "list", manifest, stream, requests)
        deleted = stream.deletedList.map { ReadableList($0.list, "deleted", manifest, stream, requests) }
        changes = stream.changes.map { ReadableList($0, "changes", manifest, stream, requests) }
        var hydration = stream.hydration
        if case .feed(let rule) = stream.incremental {
            feed = ReadableList(rule.list, "feed", manifest, stream, requests)
            hydration = hydration ?? rule.hydration
        } else {
            feed = nil
        }
        let limits = manifest.limits.compactMap { $0.use(by: stream.name, part: "hydrate") }
        func make(_ hydration: Hydration?) throws(ConnectorError) -> Hydrator? {
            try hydration.map { hydration throws(ConnectorError) in
                try Hydrator(
                    hydration, plan: stream.list.plan, sender: sender, judge: judge, limits: limits,
                    endedBy: stream.parentGone)
            }
        }
        let hydrator = try make(hydration)
        self.hydrator = hydrator
        fetcher = stream.single == nil ? hydrator : try make(stream.single)
    }
}

/// A list of a stream, with what reads its pages.
struct ReadableList: Sendable {
    let list: PagedList
    let pages: PageJudge
    let scanner: PageScanner
    let limits: [LimitUse]

    init(
        _ list: PagedList, _ part: String, _ manifest: Manifest, _ stream: StreamManifest,
        _ requests: RequestTemplate
    ) {
        self.list = list
        pages = PageJudge(rule: list.page, plan: list.plan, pageSize: requests.pageSize(list.page))
        scanner = PageScanner(plan: list.plan)
        limits = manifest.limits.compactMap { $0.use(by: stream.name, part: part) }
    }
}

/// The strategy of a manifest's stream.
struct ManifestStrategy: SyncStrategy {
    let stream: ReadableStream

    func realTimeSync(of slice: StreamSlice, objects: [String]) -> (any PageReader)? {
        stream.fetcher.map { ObjectReader($0, slice, objects) }
    }

    func fullSync(of slice: StreamSlice, resumingAt position: PagePosition?) -> any PageReader {
        ListReader(stream, slice, .everything, resumingAt: position)
    }

    func incrementalSync(
        of slice: StreamSlice, since cursor: Cursor, resumingAt position: PagePosition?
    ) -> any PageReader {
        ListReader(stream, slice, .changes(since: cursor), resumingAt: position)
    }

    func backfill(
        of slice: StreamSlice, since: Timestamp, until: Timestamp?, resumingAt position: PagePosition?
    ) -> (any PageReader)? {
        var range = stream.stream.range
        // A provider that compares with a step, such as a day, gives nothing of the step that it is asked from.
        var stepBelow: Duration = .zero
        switch stream.stream.incremental {
        case _ where range != nil: break
        // The parameter is that of another list.
        case .time where stream.stream.changes != nil: break
        case .time(let rule) where rule.request.format != .integer:
            stepBelow = rule.request.stepBelow ?? .zero
            range = rule.request.parameter.map {
                IncrementalRule.RangeParameters(since: $0, until: rule.until, format: rule.request.format)
            }
        case .sortedDescending(let known, _, _): range = known
        default: break
        }
        guard let range else { return nil }
        func scalar(_ instant: Timestamp) -> JSONScalar {
            TimeText.scalar(TimeText.text(instant, range.format), range.format)
        }
        var parameters = [(range.since, scalar(since.advanced(by: .zero - stepBelow)))]
        var bounds = [scalar(since)]
        if let name = range.until, let until {
            parameters.append((name, scalar(until)))
            bounds.append(scalar(until))
        }
        return ListReader(
            stream, slice, .range(parameters: parameters, stretch: stretch(bounds, range)),
            resumingAt: position)
    }

    /// The stretch that was asked for: a bound may have been rounded when it was written.
    private func stretch(
        _ bounds: [JSONScalar], _ range: IncrementalRule.RangeParameters
    ) -> TimeStretch? {
        // Stretches of a step ask by parameters of their own.
        if case .window = stream.stream.incremental { return nil }
        let bounds = bounds.compactMap { range.format.order(of: $0) }
        guard bounds.count == 2 else { return nil }
        return TimeStretch(
            since: Timestamp(microseconds: bounds[0]), until: Timestamp(microseconds: bounds[1]))
    }
}
