// SPDX-License-Identifier: Apache-2.0

public import ConnectorKit
import Cryptography
import HTTPTransport
import Model
import PageScanner

extension ManifestConnector {
    /// What can be done at the service.
    public var actions: [ActionDescriptor] { manifest.actions.map(\.descriptor) }

    /// All that is wrong with an input of an action.
    public func check(_ input: JSONTree, of action: String) -> [ActionProblem] {
        manifest.actions.first { $0.descriptor.name == action }?.problems(of: input) ?? []
    }

    /// Does an action by its manifest.
    public func performer(
        of call: ActionCall, access: ProviderAccess
    ) throws(ConnectorError) -> any ActionPerformer {
        guard let action = manifest.actions.first(where: { $0.descriptor.name == call.name }) else {
            throw .unknownAction(call.name, service: service, title: title)
        }
        return try ManifestActionPerformer(manifest, action, call, access)
    }
}

/// Does one action as its manifest says.
struct ManifestActionPerformer: ActionPerformer {
    private let manifest: Manifest
    private let action: ActionManifest
    private let shape: ActionShape
    private let access: ProviderAccess
    private let template: RequestTemplate
    private let values: ActionValues
    private let limits: [LimitUse]

    init(
        _ manifest: Manifest, _ action: ActionManifest, _ call: ActionCall, _ access: ProviderAccess
    ) throws(ConnectorError) {
        self.manifest = manifest
        self.action = action
        self.access = access
        template = try RequestTemplate(manifest, action: call.name, access)
        var values = ActionValues(action.descriptor, call.input, key: call.key)
        do throws(EmailMessage.Problem) {
            values.message = try action.message(values).map { Base64.urlSafe.encode($0.bytes) }
        } catch {
            throw ConnectorError(
                .config, code: "invalid_input", userMessage: "\(manifest.title) cannot send this.",
                operatorDetail: "action \(call.name): \(error.field.rawValue) \(error.message)")
        }
        self.values = values
        shape =
            action.variants.first { variant in
                variant.when.allSatisfy { values[$0.name] == .scalar($0.equals) }
            }?.shape ?? action.shape
        limits = manifest.limits.compactMap { $0.use(byAction: call.name) }
    }

    var repetition: ActionRepetition {
        switch shape.repetition {
        case .safe: .safe
        case .key(_, let lasts, _): .keyed(for: lasts)
        case .lookup(let lookup): .lookedUp(after: lookup.after)
        case .never: .never
        }
    }

    func perform(
        isRepeated: Bool, confirm: @escaping @Sendable () async throws(ConnectorError) -> Void
    ) async throws(ActionFailure) -> ActionReply {
        let effect = LockedBox(ActionFailure.Effect.none)
        let calls = LockedBox(0)
        do throws(ConnectorError) {
            return try await access.withSecrets { secrets throws(ConnectorError) in
                let judge = ActionJudge(manifest, action, shape, secrets.values)
                calls.withLock { $0 += 1 }
                defer { effect.withLock { $0 = judge.effect } }
                let requests = ActionRequest(template: template.with(secrets.values), values: values)
                var request = ProviderRequest(
                    try requests.request(shape), endpoint: shape.path.text, limits: limits, reading: judge,
                    isRetry: isRepeated)
                request.confirm = confirm
                // A list may be long, and asking for it a second time does no harm.
                if case .safe = shape.repetition { request.isPage = shape.result.list != nil }
                let answer = try await access.client.send(request)
                do throws(PageScanError) {
                    return ActionReply(
                        result: try shape.result.read(answer.http.body),
                        cost: RequestCost(
                            apiCalls: calls.withLock { $0 }, bytes: answer.http.body.count,
                            throttled: answer.throttled))
                } catch {
                    throw judge.failure(of: answer.http, error)
                }
            }
        } catch {
            throw ActionFailure(
                error, effect: effect.withLock { $0 },
                cost: RequestCost(apiCalls: calls.withLock { $0 }, bytes: 0))
        }
    }

    func lookUp() async throws(ConnectorError) -> ActionReply? {
        guard case .lookup(let lookup) = shape.repetition else { return nil }
        return try await access.withSecrets { secrets throws(ConnectorError) in
            let judge = ActionJudge(manifest, action, shape, secrets.values)
            let requests = ActionRequest(template: template.with(secrets.values), values: values)
            let answer = try await access.client.send(
                ProviderRequest(
                    try requests.request(lookup), endpoint: lookup.path.text, limits: limits, reading: judge))
            do throws(PageScanError) {
                let result = try lookup.result.read(answer.http.body)
                guard
                    let found = JSONValueReader.scalars(at: [lookup.found], in: answer.http.body).first
                        ?? nil,
                    lookup.equals.isEmpty ? found != .null : lookup.equals.contains(found)
                else { return nil }
                return ActionReply(
                    result: result,
                    cost: RequestCost(
                        apiCalls: 1, bytes: answer.http.body.count, throttled: answer.throttled))
            } catch {
                throw judge.failure(of: answer.http, error)
            }
        }
    }
}

extension ActionResultRule {
    /// A list of more elements is cut.
    private static let listLimit = 2_500

    /// The JSON object that is kept of an answer. Throws when the answer is not a whole JSON object. An answer without a body
    /// gives an empty object.
    func read(_ body: [UInt8]) throws(PageScanError) -> [UInt8] {
        guard !body.isEmpty else { return Array("{}".utf8) }
        let pointers = members.flatMap(\.pointers)
        let records = if let list { list.pointer } else { try JSONPointer("/ no records") }
        var plan = ScanPlan(records: records, id: [], envelope: pointers)
        plan.mayLackRecords = true
        let page = try PageScanner(plan: plan).scan(body)
        var found = page.envelope[...]
        var kept: [JSONTree.Member] = []
        for member in members {
            let values = found.prefix(member.pointers.count).compactMap { $0 }.filter { $0 != .null }
            found = found.dropFirst(member.pointers.count)
            if let value = values.first {
                kept.append(JSONTree.Member(name: member.name, value: .scalar(value)))
            }
        }
        let object = JSONTree.object(kept).bytes
        guard let list else { return object }
        let elements = page.records.prefix(Self.listLimit).map { Array(page.body[$0.range]) }
        var name: [UInt8] = []
        JSONTree.write(list.name, to: &name)
        let array =
            [UInt8(ascii: "[")] + elements.joined(separator: [UInt8(ascii: ",")]) + [UInt8(ascii: "]")]
        let separator: [UInt8] = kept.isEmpty ? [] : [UInt8(ascii: ",")]
        return object.dropLast() + separator + name + [UInt8(ascii: ":")] + array + [UInt8(ascii: "}")]
    }
}
