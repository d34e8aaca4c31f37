//! `contract/api-*.tsv` says what etcd 3.7.1 has: nothing of it may be missing here, and nothing may be added.
//!
//! Both sides are brought to the same text, one line per field, enum value or method, and compared as sets.

use super::*;
use protox::prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    field_descriptor_proto::{Label, Type},
};
use std::{collections::BTreeSet, fs};

/// gRPC's own health service is no part of etcd's messages; the contract lists only its methods.
const HEALTH: &str = "health.proto";

/// The rows of a table, each cut to `columns` columns.
fn table(name: &str, columns: usize) -> BTreeSet<String> {
    let path = root().join("../../contract").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let rows = text.lines().skip(1).map(|line| line.split('\t').take(columns).collect::<Vec<_>>().join("\t"));
    rows.collect()
}

fn compare(what: &str, contract: BTreeSet<String>, ours: BTreeSet<String>) {
    assert!(contract.len() > 10, "{what}: the table is read");
    let missing: Vec<_> = contract.difference(&ours).collect();
    let extra: Vec<_> = ours.difference(&contract).collect();
    assert!(missing.is_empty() && extra.is_empty(), "{what}\nmissing: {missing:#?}\nextra: {extra:#?}");
}

fn files() -> Vec<FileDescriptorProto> {
    let mut files = descriptors().file;
    files.retain(|file| FILES.contains(&file.name()));
    assert_eq!(files.len(), FILES.len());
    files
}

#[test]
fn messages() {
    let mut contract = table("api-messages.tsv", 8);
    // Options that annotate descriptors with the version they came in: never on the wire, and not ours to offer.
    contract.retain(|row| !row.starts_with("version.proto\t"));
    let mut ours = BTreeSet::new();
    for file in files().iter().filter(|file| file.name() != HEALTH) {
        for message in &file.message_type {
            message_rows(file, "", message, &mut ours);
        }
    }
    compare("messages", contract, ours);
}

#[test]
fn enums() {
    let mut ours = BTreeSet::new();
    for file in files().iter().filter(|file| file.name() != HEALTH) {
        for top in &file.enum_type {
            enum_rows(file, "", top, &mut ours);
        }
        for message in &file.message_type {
            for nested in &message.enum_type {
                enum_rows(file, &format!("{}.", message.name()), nested, &mut ours);
            }
        }
    }
    compare("enums", table("api-enums.tsv", 5), ours);
}

#[test]
fn services() {
    let mut ours = BTreeSet::new();
    for file in files() {
        let name = if file.name() == HEALTH { "(external) grpc health v1" } else { file.name() };
        for service in &file.service {
            let full = format!("{}.{}", file.package(), service.name());
            for method in &service.method {
                let (input, output) = (method.input_type(), method.output_type());
                ours.insert(format!(
                    "{name}\t{full}\t{rpc}\t/{full}/{rpc}\t{}\t{}\t{}\t{}",
                    input.trim_start_matches('.'),
                    output.trim_start_matches('.'),
                    yes(method.client_streaming()),
                    yes(method.server_streaming()),
                    rpc = method.name(),
                ));
            }
        }
    }
    compare("services", table("api-services.tsv", 8), ours);
}

fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn message_rows(
    file: &FileDescriptorProto,
    outer: &str,
    message: &DescriptorProto,
    rows: &mut BTreeSet<String>,
) {
    assert!(message.extension.is_empty() && message.extension_range.is_empty());
    let name = format!("{outer}{}", message.name());
    let head = format!("{}\t{}\t{name}", file.name(), file.package());
    for field in &message.field {
        let row = format!(
            "{head}\t{}\t{}\t{}\t{}\t{}",
            field.number(),
            field.name(),
            type_name(field),
            label(message, field),
            note(file, field)
        );
        rows.insert(row);
    }
    if message.field.is_empty() {
        rows.insert(format!("{head}\t-\t(no fields)\t-\t-\t-"));
    }
    let reserved = message.reserved_range.iter().flat_map(|range| range.start()..range.end());
    for number in reserved {
        rows.insert(format!(
            "{head}\t{number}\t(reserved)\t-\t-\tnames: {}",
            message.reserved_name.join(",")
        ));
    }
    for nested in &message.nested_type {
        message_rows(file, &format!("{name}."), nested, rows);
    }
}

fn enum_rows(
    file: &FileDescriptorProto,
    outer: &str,
    definition: &EnumDescriptorProto,
    rows: &mut BTreeSet<String>,
) {
    for value in &definition.value {
        let (name, number) = (value.name(), value.number());
        let head = format!("{}\t{}", file.name(), file.package());
        rows.insert(format!("{head}\t{outer}{}\t{name}\t{number}", definition.name()));
    }
}

fn type_name(field: &FieldDescriptorProto) -> String {
    let target = field.type_name().trim_start_matches('.');
    match field.r#type() {
        Type::Message => format!("msg {target}"),
        Type::Enum => format!("enum {target}"),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    }
}

fn label(message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
    match (field.label(), field.oneof_index) {
        (Label::Repeated, _) => "repeated".into(),
        (Label::Required, _) => "required".into(),
        (Label::Optional, Some(index)) => format!("oneof {}", message.oneof_decl[index as usize].name()),
        (Label::Optional, None) => "optional".into(),
    }
}

/// What the wire or its readers can tell beyond type and label.
fn note(file: &FileDescriptorProto, field: &FieldDescriptorProto) -> &'static str {
    // protox leaves the syntax empty for proto2, as protoc does.
    let proto3 = file.syntax() == "proto3";
    let scalar = !matches!(field.r#type(), Type::Message | Type::String | Type::Bytes | Type::Group);
    match field.label() {
        Label::Repeated if scalar => {
            let option = field.options.as_ref().and_then(|options| options.packed);
            if option.unwrap_or(proto3) { "packed" } else { "unpacked" }
        }
        Label::Optional if !proto3 || field.proto3_optional() => "explicit-presence",
        _ => "-",
    }
}
