//! Points: told, removed and searched.

use qdrant_client::qdrant::{
    ClearPayloadPoints, CountPoints, CountResponse, CreateFieldIndexCollection, CreateVectorNameRequest,
    DeleteFieldIndexCollection, DeletePayloadPoints, DeletePointVectors, DeletePoints, DeleteVectorNameRequest,
    DiscoverBatchPoints, DiscoverBatchResponse, DiscoverPoints, DiscoverResponse, FacetCounts, FacetResponse,
    GetPoints, GetResponse, PointStruct, PointsOperationResponse, QueryBatchPoints, QueryBatchResponse,
    QueryGroupsResponse, QueryPointGroups, QueryPoints, QueryResponse, RecommendBatchPoints, RecommendBatchResponse,
    RecommendGroupsResponse, RecommendPointGroups, RecommendPoints, RecommendResponse, ScoredPoint, ScrollPoints,
    ScrollResponse, SearchBatchPoints, SearchBatchResponse, SearchGroupsResponse, SearchMatrixOffsetsResponse,
    SearchMatrixPairsResponse, SearchMatrixPoints, SearchPointGroups, SearchPoints, SearchResponse, SetPayloadPoints,
    UpdateBatchPoints, UpdateBatchResponse, UpdatePointVectors, UpdateResult, UpdateStatus, UpsertPoints,
    points_selector::PointsSelectorOneOf, points_server::Points, query::Variant, vector, vector_input,
    vectors::VectorsOptions,
};
use tonic::{Request, Response, Status};

use super::{
    Service,
    state::{Stored, id_of, likeness},
};

/// Implements a service's trait with the methods that are given, and those that nobody uses.
macro_rules! unused {
    (
        impl $service:ident for $implementor:ident { $($used:tt)* }
        $($method:ident($request:ident) -> $response:ident;)*
    ) => {
        #[tonic::async_trait]
        impl $service for $implementor {
            $($used)*
            $(async fn $method(&self, _: Request<$request>) -> Result<Response<$response>, Status> {
                Err(Status::unimplemented(stringify!($method)))
            })*
        }
    };
}
pub(super) use unused;

fn done() -> PointsOperationResponse {
    let result = UpdateResult { operation_id: Some(0), status: UpdateStatus::Completed.into() };
    PointsOperationResponse { result: Some(result), time: 0.0, usage: None }
}

unused! {
    impl Points for Service {
        async fn upsert(&self, request: Request<UpsertPoints>) -> Result<Response<PointsOperationResponse>, Status> {
            self.0.count();
            self.0.admit(&request).await?;
            let UpsertPoints { collection_name, points, .. } = request.into_inner();
            let old = self.0.version.lock().starts_with("1.10");
            let points = points.into_iter().map(|point| Ok((id_of(point.id.as_ref())?, vector_of(&point, old)?, point)));
            let points: Vec<_> = points.collect::<Result<_, Status>>()?;
            {
                let mut state = self.0.state.lock();
                let collection = state.find(&collection_name)?;
                points.iter().try_for_each(|(_, vector, _)| collection.check(vector))?;
                for (id, vector, point) in points {
                    collection.points.insert(id, Stored { vector, payload: point.payload });
                }
            }
            self.0.release(done())
        }

        async fn delete(&self, request: Request<DeletePoints>) -> Result<Response<PointsOperationResponse>, Status> {
            self.0.count();
            self.0.admit(&request).await?;
            let DeletePoints { collection_name, points, .. } = request.into_inner();
            let Some(PointsSelectorOneOf::Filter(filter)) = points.and_then(|points| points.points_selector_one_of) else {
                return Err(Status::unimplemented("only by a filter"));
            };
            {
                let mut state = self.0.state.lock();
                let collection = state.find(&collection_name)?;
                for id in collection.chosen(&filter)? {
                    collection.points.remove(&id);
                }
            }
            self.0.release(done())
        }

        async fn create_field_index(
            &self,
            request: Request<CreateFieldIndexCollection>,
        ) -> Result<Response<PointsOperationResponse>, Status> {
            self.0.admit(&request).await?;
            let CreateFieldIndexCollection { collection_name, field_name, .. } = request.into_inner();
            self.0.state.lock().find(&collection_name)?.indexed.insert(field_name);
            self.0.release(done())
        }

        async fn query(&self, request: Request<QueryPoints>) -> Result<Response<QueryResponse>, Status> {
            self.0.count();
            self.0.admit(&request).await?;
            let QueryPoints { collection_name, query, filter, limit, .. } = request.into_inner();
            let Some(Variant::Nearest(vector)) = query.and_then(|query| query.variant) else {
                return Err(Status::unimplemented("only the nearest"));
            };
            let Some(vector_input::Variant::Dense(vector)) = vector.variant else {
                return Err(Status::unimplemented("only of a dense vector"));
            };
            let mut state = self.0.state.lock();
            let collection = state.find(&collection_name)?;
            collection.check(&vector.data)?;
            let mut found = Vec::new();
            for id in collection.chosen(&filter.unwrap_or_default())? {
                let score = likeness(&vector.data, &collection.points[&id].vector);
                found.push(ScoredPoint { id: Some(id.into()), score, ..ScoredPoint::default() });
            }
            found.sort_by(|one, other| other.score.total_cmp(&one.score));
            found.truncate(limit.unwrap_or(10) as usize);
            Ok(Response::new(QueryResponse { result: found, time: 0.0, usage: None }))
        }
    }
    get(GetPoints) -> GetResponse;
    update_vectors(UpdatePointVectors) -> PointsOperationResponse;
    delete_vectors(DeletePointVectors) -> PointsOperationResponse;
    set_payload(SetPayloadPoints) -> PointsOperationResponse;
    overwrite_payload(SetPayloadPoints) -> PointsOperationResponse;
    delete_payload(DeletePayloadPoints) -> PointsOperationResponse;
    clear_payload(ClearPayloadPoints) -> PointsOperationResponse;
    delete_field_index(DeleteFieldIndexCollection) -> PointsOperationResponse;
    create_vector_name(CreateVectorNameRequest) -> PointsOperationResponse;
    delete_vector_name(DeleteVectorNameRequest) -> PointsOperationResponse;
    search(SearchPoints) -> SearchResponse;
    search_batch(SearchBatchPoints) -> SearchBatchResponse;
    search_groups(SearchPointGroups) -> SearchGroupsResponse;
    scroll(ScrollPoints) -> ScrollResponse;
    recommend(RecommendPoints) -> RecommendResponse;
    recommend_batch(RecommendBatchPoints) -> RecommendBatchResponse;
    recommend_groups(RecommendPointGroups) -> RecommendGroupsResponse;
    discover(DiscoverPoints) -> DiscoverResponse;
    discover_batch(DiscoverBatchPoints) -> DiscoverBatchResponse;
    count(CountPoints) -> CountResponse;
    update_batch(UpdateBatchPoints) -> UpdateBatchResponse;
    query_batch(QueryBatchPoints) -> QueryBatchResponse;
    query_groups(QueryPointGroups) -> QueryGroupsResponse;
    facet(FacetCounts) -> FacetResponse;
    search_matrix_pairs(SearchMatrixPoints) -> SearchMatrixPairsResponse;
    search_matrix_offsets(SearchMatrixPoints) -> SearchMatrixOffsetsResponse;
}

/// Old versions read it from where new ones do not look first.
#[expect(deprecated, reason = "it is what an old version reads")]
fn vector_of(point: &PointStruct, old: bool) -> Result<Vec<f32>, Status> {
    let missing = || Status::invalid_argument("a point has no dense vector");
    let vectors = point.vectors.as_ref().and_then(|vectors| vectors.vectors_options.as_ref());
    let Some(VectorsOptions::Vector(vector)) = vectors else { return Err(missing()) };
    match &vector.vector {
        Some(vector::Vector::Dense(dense)) if !old => Ok(dense.data.clone()),
        _ if !vector.data.is_empty() => Ok(vector.data.clone()),
        _ => Err(missing()),
    }
}
