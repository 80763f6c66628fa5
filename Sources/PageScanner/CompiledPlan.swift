// SPDX-License-Identifier: Apache-2.0

import CSimdJSON

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A plan in the form that the C side reads. It owns the memory that the C plan points into.
///
/// @unchecked: nobody writes to that memory after `init`.
struct CompiledPlan: ~Copyable, @unchecked Sendable {
    private var strings: [UnsafeMutablePointer<CChar>] = []
    private var arrays: [UnsafeMutablePointer<UnsafePointer<CChar>?>] = []
    private var lists: [UnsafeMutablePointer<lockstep_path?>] = []
    private(set) var plan = lockstep_scan_plan()

    init(_ source: ScanPlan) {
        plan.records = path(source.records)
        plan.ids = list(source.id)
        plan.id_count = source.id.count
        var scalars: [JSONPointer] = []
        if let version = source.version { scalars.append(version.pointer) }
        if let cursor = source.cursor { scalars.append(cursor.pointer) }
        scalars += source.tombstones.flatMap(\.pointers)
        plan.scalars = list(scalars)
        plan.scalar_count = scalars.count
        plan.envelope = list(source.envelope)
        plan.envelope_count = source.envelope.count
        plan.max_record_bytes = UInt32(clamping: source.maxRecordBytes)
        plan.max_id_bytes = UInt32(clamping: source.maxIdentifierBytes)
        plan.max_depth = UInt32(clamping: source.maxDepth)
        plan.max_records = UInt32(clamping: source.maxRecords)
        plan.may_lack_records = source.mayLackRecords
        switch source.layout {
        case .array: break
        case .single: plan.is_single = true
        case .lines, .csv: plan.is_lines = true
        case .keyed(let member): plan.key_member = string(member)
        }
    }

    deinit {
        for string in strings { free(string) }
        for array in arrays { array.deallocate() }
        for list in lists { list.deallocate() }
    }

    private mutating func path(_ pointer: JSONPointer) -> lockstep_path {
        let array = UnsafeMutablePointer<UnsafePointer<CChar>?>.allocate(capacity: pointer.tokens.count + 1)
        for (index, token) in pointer.tokens.enumerated() {
            array.advanced(by: index).initialize(to: string(token))
        }
        array.advanced(by: pointer.tokens.count).initialize(to: nil)
        arrays.append(array)
        return UnsafePointer(array)
    }

    private mutating func string(_ text: String) -> UnsafePointer<CChar>? {
        let copy = strdup(text)
        if let copy { strings.append(copy) }
        return copy.map { UnsafePointer($0) }
    }

    private mutating func list(_ pointers: [JSONPointer]) -> UnsafePointer<lockstep_path?> {
        let list = UnsafeMutablePointer<lockstep_path?>.allocate(capacity: max(1, pointers.count))
        for (index, pointer) in pointers.enumerated() {
            list.advanced(by: index).initialize(to: path(pointer))
        }
        lists.append(list)
        return UnsafePointer(list)
    }
}
