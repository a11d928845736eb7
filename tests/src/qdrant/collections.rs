//! Collections and their aliases.

use qdrant_client::qdrant::{
    AliasDescription, ChangeAliases, CollectionClusterInfoRequest, CollectionClusterInfoResponse, CollectionConfig,
    CollectionDescription, CollectionExists, CollectionExistsRequest, CollectionExistsResponse, CollectionInfo,
    CollectionOperationResponse, CollectionParams, CollectionStatus, CreateCollection, CreateShardKeyRequest,
    CreateShardKeyResponse, DeleteCollection, DeleteShardKeyRequest, DeleteShardKeyResponse, Distance,
    GetCollectionInfoRequest, GetCollectionInfoResponse, ListAliasesRequest, ListAliasesResponse,
    ListCollectionAliasesRequest, ListCollectionsRequest, ListCollectionsResponse, ListShardKeysRequest,
    ListShardKeysResponse, UpdateCollection, UpdateCollectionClusterSetupRequest, UpdateCollectionClusterSetupResponse,
    VectorParams, VectorsConfig, alias_operations::Action, collections_server::Collections, vectors_config::Config,
};
use tonic::{Request, Response, Status};

use super::{Service, points::unused};

const DONE: CollectionOperationResponse = CollectionOperationResponse { result: true, time: 0.0 };

unused! {
    impl Collections for Service {
        async fn get(
            &self,
            request: Request<GetCollectionInfoRequest>,
        ) -> Result<Response<GetCollectionInfoResponse>, Status> {
            self.0.admit(&request).await?;
            let mut state = self.0.state.lock();
            let collection = state.find(&request.get_ref().collection_name)?;
            let distance = Distance::Cosine.into();
            let params = VectorParams { size: collection.dimension, distance, ..VectorParams::default() };
            let params = CollectionParams {
                vectors_config: Some(VectorsConfig { config: Some(Config::Params(params)) }),
                ..CollectionParams::default()
            };
            let info = CollectionInfo {
                status: CollectionStatus::Green.into(),
                config: Some(CollectionConfig { params: Some(params), ..CollectionConfig::default() }),
                points_count: Some(collection.points.len() as u64),
                ..CollectionInfo::default()
            };
            Ok(Response::new(GetCollectionInfoResponse { result: Some(info), time: 0.0 }))
        }

        async fn list(
            &self,
            request: Request<ListCollectionsRequest>,
        ) -> Result<Response<ListCollectionsResponse>, Status> {
            self.0.admit(&request).await?;
            let state = self.0.state.lock();
            let collections = state.collections.keys().map(|name| CollectionDescription { name: name.clone() }).collect();
            Ok(Response::new(ListCollectionsResponse { collections, time: 0.0 }))
        }

        async fn create(
            &self,
            request: Request<CreateCollection>,
        ) -> Result<Response<CollectionOperationResponse>, Status> {
            self.0.admit(&request).await?;
            let request = request.into_inner();
            let Some(Config::Params(params)) = request.vectors_config.and_then(|vectors| vectors.config) else {
                return Err(Status::unimplemented("only one vector for each point"));
            };
            self.0.state.lock().make(&request.collection_name, params.size)?;
            self.0.release(DONE)
        }

        async fn delete(
            &self,
            request: Request<DeleteCollection>,
        ) -> Result<Response<CollectionOperationResponse>, Status> {
            self.0.admit(&request).await?;
            let name = request.into_inner().collection_name;
            let mut state = self.0.state.lock();
            state.collections.remove(&name);
            state.aliases.retain(|_, collection| *collection != name);
            drop(state);
            self.0.release(DONE)
        }

        async fn update_aliases(
            &self,
            request: Request<ChangeAliases>,
        ) -> Result<Response<CollectionOperationResponse>, Status> {
            self.0.admit(&request).await?;
            let mut state = self.0.state.lock();
            for action in request.into_inner().actions {
                let Some(Action::CreateAlias(create)) = action.action else {
                    return Err(Status::unimplemented("only making aliases"));
                };
                state.find(&create.collection_name)?;
                state.aliases.insert(create.alias_name, create.collection_name);
            }
            drop(state);
            self.0.release(DONE)
        }

        async fn list_aliases(
            &self,
            request: Request<ListAliasesRequest>,
        ) -> Result<Response<ListAliasesResponse>, Status> {
            self.0.admit(&request).await?;
            let state = self.0.state.lock();
            let describe = |(alias, collection): (&String, &String)| AliasDescription {
                alias_name: alias.clone(),
                collection_name: collection.clone(),
            };
            let aliases = state.aliases.iter().map(describe).collect();
            Ok(Response::new(ListAliasesResponse { aliases, time: 0.0 }))
        }

        async fn collection_exists(
            &self,
            request: Request<CollectionExistsRequest>,
        ) -> Result<Response<CollectionExistsResponse>, Status> {
            self.0.admit(&request).await?;
            let exists = self.0.state.lock().find(&request.get_ref().collection_name).is_ok();
            Ok(Response::new(CollectionExistsResponse { result: Some(CollectionExists { exists }), time: 0.0 }))
        }
    }
    update(UpdateCollection) -> CollectionOperationResponse;
    list_collection_aliases(ListCollectionAliasesRequest) -> ListAliasesResponse;
    collection_cluster_info(CollectionClusterInfoRequest) -> CollectionClusterInfoResponse;
    update_collection_cluster_setup(UpdateCollectionClusterSetupRequest) -> UpdateCollectionClusterSetupResponse;
    create_shard_key(CreateShardKeyRequest) -> CreateShardKeyResponse;
    delete_shard_key(DeleteShardKeyRequest) -> DeleteShardKeyResponse;
    list_shard_keys(ListShardKeysRequest) -> ListShardKeysResponse;
}
