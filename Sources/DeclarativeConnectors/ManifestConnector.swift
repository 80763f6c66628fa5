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
        return tokens.moved(from: manifest.baseURL, to: baseURL)
    }

    /// The limits of the manifest.
    public var limits: [LimitRule] { manifest.limits.map(\.rule) }

    /// The paths of the manifest's streams.
    public var endpoints: [String] { manifest.streams.map(\.path.text) }

    /// Throws class `config` for an unknown stream, and for places that the integration has no value for.
    public func strategy(
        for stream: String, access: ProviderAccess
    ) throws(ConnectorError) -> any SyncStrategy {
        guard let found = manifest.streams.first(where: { $0.name == stream }) else {
            throw ConnectorError(
                .config, code: "unknown_stream", userMessage: "\(manifest.title) has no such data.",
                operatorDetail: "the manifest of \(service) has no stream '\(stream)'")
        }
        return ManifestStrategy(list: try ManifestList(manifest, found, access))
    }
}

/// One stream of one integration, ready to be read.
struct ManifestList: Sendable {
    let manifest: Manifest
    let stream: StreamManifest
    let access: ProviderAccess
    let requests: RequestTemplate
    let judge: ResponseJudge
    let pages: PageJudge
    let scanner: PageScanner
    let limits: [LimitUse]

    init(_ manifest: Manifest, _ stream: StreamManifest, _ access: ProviderAccess) throws(ConnectorError) {
        self.manifest = manifest
        self.stream = stream
        self.access = access
        requests = try RequestTemplate(manifest, stream, access)
        judge = ResponseJudge(
            manifest: manifest, stream: stream.name, secrets: access.credential.known.values)
        limits = manifest.limits.compactMap { $0.use(by: stream.name) }
        pages = PageJudge(rule: stream.page, plan: stream.plan, pageSize: requests.pageSize)
        do throws(PageScanError) {
            scanner = try PageScanner(plan: stream.plan)
        } catch {
            throw ConnectorError(
                .transient, code: "out_of_memory", userMessage: "The sync is tried again.",
                operatorDetail: error.message)
        }
    }
}

/// The strategy of a manifest's stream.
struct ManifestStrategy: SyncStrategy {
    let list: ManifestList

    func fullSync(of slice: StreamSlice, resumingAt position: PagePosition?) -> any PageReader {
        ListReader(list, slice, .everything, resumingAt: position)
    }

    func incrementalSync(
        of slice: StreamSlice, since cursor: Cursor, resumingAt position: PagePosition?
    ) -> any PageReader {
        ListReader(list, slice, .changes(since: cursor), resumingAt: position)
    }

    func backfill(
        of slice: StreamSlice, since: Timestamp, until: Timestamp?, resumingAt position: PagePosition?
    ) -> (any PageReader)? {
        let names: (since: String, until: String?, format: ScalarRule.Kind)
        switch list.stream.incremental {
        case .timeParameter(let rule): names = (rule.parameter, rule.until, rule.format)
        case .sortedDescending(let range):
            guard let range else { return nil }
            names = (range.since, range.until, range.format)
        case .syncToken, .none: return nil
        }
        var parameters = [(name: names.since, value: TimeText.text(since, names.format))]
        if let name = names.until, let until {
            parameters.append((name, TimeText.text(until, names.format)))
        }
        return ListReader(list, slice, .range(parameters: parameters), resumingAt: position)
    }
}
